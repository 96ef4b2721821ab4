"""Prints what importing the app and answering the first request costs, as a ratio to a bare one-route Chalice app.

Each is a process of its own, best of several; the interpreter's own start is taken off both.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 4.0
ROUNDS = 7
PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("boto3", "botocore", "psycopg2", "PIL", "numpy", "pypdfium2")
BARE = """
from chalice import Chalice
app = Chalice(app_name="bare")
@app.route("/health/live")
def live():
    return {"status": "alive"}
"""
REQUEST = """
import sys, app
event = {"headers": {}, "multiValueQueryStringParameters": None, "pathParameters": None, "body": None,
         "isBase64Encoded": False, "stageVariables": None, "path": "/health/live",
         "requestContext": {"httpMethod": "GET", "resourcePath": "/health/live", "path": "/health/live"}}
assert app.app(event, None)["statusCode"] == 200
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""


def best_seconds(program: str, folder: Path) -> tuple[float, str]:
    """The shortest run of `program` in `folder`, and what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        **{"PYTHONPATH": str(folder), "DATABASE_URL": "postgresql://none", "IMAGES_BUCKET": "none"},
        "PYTHONPYCACHEPREFIX": str(PROJECT / ".local" / "bench" / "pycache"),
    }
    seconds, printed = [], ""
    for _ in range(ROUNDS):
        start = time.perf_counter()
        printed = subprocess.run(
            [sys.executable, "-c", program, *HEAVY],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        seconds.append(time.perf_counter() - start)
    return min(seconds), printed


def main() -> bool:
    """Answers whether the budget holds."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(BARE)
        nothing, _ = best_seconds("pass", Path(folder))
        bare, _ = best_seconds(REQUEST, Path(folder))
        ours, heavy = best_seconds(REQUEST, PROJECT)
    ratio = (ours - nothing) / (bare - nothing)
    print(
        f"import and first request: {(ours - nothing) * 1000:.0f} ms, bare Chalice {(bare - nothing) * 1000:.0f} ms,"
    )
    print(f"  ratio {ratio:.2f} (at most {TARGET}); heavy libraries loaded: {heavy or 'none'}")
    return ratio <= TARGET and not heavy


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
