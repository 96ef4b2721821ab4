"""Measures import and first request of the app, as a ratio to a bare Chalice app with one route.

Each runs in its own process, and the best of several runs counts. The interpreter's start is subtracted from both.
What counts is CPU time, so that a busy machine changes little. As in Lambda there is bytecode, typing_extensions is not
installed, and a process does not end after its first request.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import goals, note

ROUNDS = 25
PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("boto3", "botocore", "psycopg2", "PIL", "numpy", "pypdfium2")
NOTHING = "import os; os._exit(0)"
BARE = """
from chalice import Chalice
app = Chalice(app_name="bare")
@app.route("/health/live")
def live():
    return {"status": "alive"}
"""
REQUEST = """
import os, sys
sys.modules["typing_extensions"] = None
import app
event = {"headers": {}, "multiValueQueryStringParameters": None, "pathParameters": None, "body": None,
         "isBase64Encoded": False, "stageVariables": None, "path": "/health/live",
         "requestContext": {"httpMethod": "GET", "resourcePath": "/health/live", "path": "/health/live"}}
assert app.app(event, None)["statusCode"] == 200
print(" ".join(name for name in sys.argv[1:] if name in sys.modules), flush=True)
os._exit(0)
"""


def run(program: str, folder: Path, python: str = sys.executable) -> tuple[float, str]:
    """Run `program` in `folder`. Return its CPU seconds, and its last line, which follows those of metrics."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        **{"PYTHONPATH": str(folder), "DATABASE_URL": "postgresql://none", "IMAGES_BUCKET": "none"},
        "SESSION_SECRET": "of-the-bench-and-known-to-everybody",
        "PYTHONPYCACHEPREFIX": str(PROJECT / ".local" / "bench" / "pycache"),
    }
    start = _cpu_s()
    ran = subprocess.run(
        [python, "-c", program, *HEAVY],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    took_s, lines = _cpu_s() - start, ran.stdout.splitlines()
    return took_s, lines[-1] if lines else ""


def _cpu_s() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> bool:
    """Print the figures. Return whether they are as good as stated."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(BARE)
        programs = [(NOTHING, Path(folder)), (REQUEST, Path(folder)), (REQUEST, PROJECT)]
        # The programs run in turn, so that a slow moment of the machine affects all of them.
        rounds = [[run(*program) for program in programs] for _ in range(ROUNDS)]
    nothing, bare, ours = (min(seconds for seconds, _ in runs) for runs in zip(*rounds, strict=True))
    heavy = rounds[-1][-1][1]
    ratio = (ours - nothing) / (bare - nothing)
    print(
        f"import and first request, CPU: {(ours - nothing) * 1000:.0f} ms,"
        f" bare Chalice {(bare - nothing) * 1000:.0f} ms,"
    )
    print(
        f"  ratio {ratio:.2f} (at most {goals()['startup.ratio'].bound}); heavy libraries loaded: {heavy or 'none'}"
    )
    return all([note("startup.ratio", ratio), note("startup.heavy", len(heavy.split()))])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
