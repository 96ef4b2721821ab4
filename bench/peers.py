"""Measures peers in the same run: other frameworks' import and first request, other engines' search.

python -m bench.peers

They are installed into an environment of their own, .local/bench/peers, as bench/peers.txt pins them: 250 MB to
download, once. What cannot be installed is named and left out. Each framework serves 70 routes through its adapter for
API Gateway; CPU counts, less the interpreter's start, and the best of some rounds. The engines get the same texts and
vectors: bench/peers_search.py.
"""

import hashlib
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench import peers_search
from bench.figures import note
from bench.startup import NOTHING, PROJECT, REQUEST, run

PINNED = Path(__file__).with_name("peers.txt")
HOME = PROJECT / ".local" / "bench" / "peers"
INSTALLED_WITHIN_S = 600
ROUNDS = 4
ROUTES = 70
APPS = {
    "Chalice": """
from chalice import Chalice
app = Chalice(app_name="peer")
def add(n):
    @app.route(f"/things{n}/{{thing_id}}", name=f"thing{n}")
    def thing(thing_id):
        return {"id": thing_id}
@app.route("/health/live")
def live():
    return {"status": "alive"}
handler = app
""",
    "Powertools": """
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
resolver = APIGatewayRestResolver()
def add(n):
    @resolver.get(f"/things{n}/<thing_id>")
    def thing(thing_id):
        return {"id": thing_id}
@resolver.get("/health/live")
def live():
    return {"status": "alive"}
handler = resolver.resolve
""",
    "Flask": """
from flask import Flask
from apig_wsgi import make_lambda_handler
app = Flask("peer")
def add(n):
    @app.get(f"/things{n}/<thing_id>", endpoint=f"thing{n}")
    def thing(thing_id):
        return {"id": thing_id}
@app.get("/health/live")
def live():
    return {"status": "alive"}
handler = make_lambda_handler(app)
""",
    "FastAPI": """
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel
app = FastAPI()
class Thing(BaseModel):
    id: str
def add(n):
    @app.get(f"/things{n}/{{thing_id}}")
    def thing(thing_id: str) -> Thing:
        return Thing(id=thing_id)
@app.get("/health/live")
def live() -> dict[str, str]:
    return {"status": "alive"}
handler = Mangum(app, lifespan="off")
""",
}
ASKED = """
for number in range(%d):
    add(number)
event = {"version": "1.0", "resource": "/health/live", "httpMethod": "GET", "headers": {"host": "peer"},
         "multiValueHeaders": {"host": ["peer"]}, "queryStringParameters": None, "stageVariables": None,
         "multiValueQueryStringParameters": None, "pathParameters": None, "body": None, "isBase64Encoded": False,
         "path": "/health/live", "requestContext": {"httpMethod": "GET", "resourcePath": "/health/live",
         "path": "/health/live", "stage": "peer", "requestId": "peer", "identity": {"sourceIp": "192.0.2.1"}}}
class Context:
    aws_request_id = function_name = invoked_function_arn = "peer"
    memory_limit_in_mb = 128
assert handler(event, Context())["statusCode"] == 200
import os
os._exit(0)
"""


def environment() -> Path:
    """Return the Python of the peers' environment, made if it is not there. Print what cannot be installed."""
    stamp = HOME / hashlib.sha256(PINNED.read_bytes() + sys.version.encode()).hexdigest()[:16]
    python = HOME / "bin" / "python"
    if stamp.exists():
        return python
    venv.create(HOME, clear=True, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for line in PINNED.read_text().splitlines():
        if not line.startswith("#"):
            reason = _install([*map(str, pip), line])
            if reason:
                print(f"{line} cannot be installed and is left out: {reason}")
    stamp.touch()
    return python


def _install(command: list[str]) -> str | None:
    """Run pip. Return why it failed."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALLED_WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"it took over {INSTALLED_WITHIN_S} s"
    return (ran.stderr.splitlines() or ["no reason given"])[-1] if ran.returncode else None


def measure_frameworks(python: Path) -> bool:
    """Print each framework's CPU beside ours. Return whether ours is as good as stated."""
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: (app + ASKED % ROUTES, Path(folder), str(python)) for name, app in APPS.items()}
        programs |= {
            "nothing": (NOTHING, Path(folder), str(python)),
            "ours": (REQUEST, PROJECT, sys.executable),
        }
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name, program in list(programs.items()):
                try:
                    best[name] = min(best.get(name, 1e9), run(*program)[0])
                except subprocess.CalledProcessError as error:
                    print(f"{name} does not run and is left out: {error.stderr.splitlines()[-1]}")
                    del programs[name]
    start = best.pop("nothing")
    print(f"import and first request, peers with {ROUTES} routes, CPU:")
    for name, seconds in best.items():
        print(f"  {name:10} {(seconds - start) * 1000:5.0f} ms")
    peers = [best[name] - start for name in ("Powertools", "Flask", "FastAPI") if name in best]
    return not peers or note("peers.startup", (best["ours"] - start) / min(peers))


def main() -> bool:
    """Print the figures. Return whether ours are as good as stated."""
    python = environment()
    return all([measure_frameworks(python), peers_search.measure(python)])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
