"""Measures CPU, calls of DynamoDB and round trips to Postgres of an authenticated GET: the first one and a warm one.

python -m bench.request

The app runs in a process of its own, against a real Postgres and the emulated DynamoDB. Their CPU is not counted.
"First" is what the handler takes in a fresh process, "warm" a request of the best 20 in a row. Both are measured twice:
with Lambda's variable, so that the init phase warms up, and without it. The emulated DynamoDB keeps its connections, as
AWS does, but without TLS; the two calls by bare boto3 are measured in the same way.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import note
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from local.layout import aws_environment
from local.postgres import start_postgres, stop_postgres
from tests.support.emulated import BUCKET, TABLES, emulated_aws

FRESH, WARM = 3, 200
ASKED = """
import base64, json, sys, time
def ask(method, path, headers, body=None, resource=None):
    return {"headers": {"content-type": "application/json", **headers}, "multiValueQueryStringParameters": None,
            "pathParameters": None, "body": body and base64.b64encode(body.encode()).decode(), "stageVariables": None,
            "isBase64Encoded": body is not None, "path": path,
            "requestContext": {"httpMethod": method, "resourcePath": path, "path": path, "requestId": "bench-request",
                               "identity": {"sourceIp": "192.0.2.1"}}}
began = time.process_time()
import app
imported = time.process_time()
"""
SIGN_IN = """
who = json.dumps({"email": "ann@example.org", "password": "correct horse battery"})
assert app.app(ask("POST", "/api/v1/registration", {}, who), None)["statusCode"] == 202
print(json.loads(app.app(ask("POST", "/api/v1/sessions", {}, who), None)["body"])["access_token"])
"""
MEASURE = """
def get():
    event = ask("GET", "/api/v1/items", {"authorization": "Bearer " + sys.argv[1]})
    start = time.process_time()
    answer = app.app(event, None)
    took = time.process_time() - start
    assert answer["statusCode"] == 200, answer
    return took
first = get()
for _ in range(20):
    get()
import socket
from chalicelib.stores.postgres import connection
counts = {"dynamodb": 0, "postgres": 0}
execute = connection.Cursor.execute
def counted(cursor, *given):
    counts["postgres"] += 1
    return execute(cursor, *given)
connection.Cursor.execute = counted
from chalicelib.stores.aws.dynamodb import Presence
asked = Presence.asked
def counted_asked(self):
    counts["dynamodb"] += 1
    return asked(self)
Presence.asked = counted_asked
took = [get() for _ in range(int(sys.argv[2]))]
import os
from chalicelib import wiring
def get_bare():
    start = time.process_time()
    for _ in range(2):
        key = {"user_id": {"S": "nobody"}, "id": {"S": "none"}}
        wiring.dynamodb().get_item(TableName=os.environ["SESSIONS_TABLE"], Key=key, ConsistentRead=True)
    return time.process_time() - start
def best(took):
    return min(sum(took[n:n + 20]) / 20 for n in range(0, len(took), 20))
bare = best([get_bare() for _ in took])
counts = {name: count / len(took) for name, count in counts.items()}
print(json.dumps({"import": imported - began, "first": first, "warm": best(took), "bare": bare, **counts}))
"""


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Give the environment of an app with a migrated database and the stage's tables."""
    with tempfile.TemporaryDirectory() as folder, emulated_aws(Path(folder)) as aws:
        state = Path(folder) / "postgres"
        url = start_postgres(state, 0, fsync=False)
        try:
            migrate(url)
            set_app_password(url, "bench")
            yield {
                **aws_environment(aws.emulator.port),
                "ENVIRONMENT": "local",
                "DATABASE_URL": url.replace("//postgres@", "//collections_app:bench@"),
                "IMAGES_BUCKET": BUCKET,
                **TABLES,
                "RATE_LIMITS": "",
                "REGISTRATION_OPEN": "true",
                "SESSION_SECRET": "of-the-bench-and-known-to-everybody",
            }
        finally:
            stop_postgres(state)


def run(program: str, *arguments: str, environment: Mapping[str, str]) -> str:
    """Run the program in a process of its own. Return the last line that it prints."""
    project = Path(__file__).resolve().parent.parent
    ran = subprocess.run(
        [sys.executable, "-c", ASKED + program, *arguments],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"PYTHONPYCACHEPREFIX": str(project / ".local" / "bench" / "pycache"), **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return ran.stdout.splitlines()[-1]


def main() -> bool:
    """Print the figures. Return whether they are as good as stated."""
    with services() as environment:
        token = run(SIGN_IN, environment=environment)
        run(MEASURE, token, "20", environment=environment)  # writes bytecode
        found: dict[str, list[dict[str, Any]]] = {}
        for name, more in (("elsewhere", {}), ("Lambda", {"_HANDLER": "app.app"})):
            found[name] = [
                json.loads(run(MEASURE, token, str(WARM), environment=environment | more))
                for _ in range(FRESH)
            ]
    for name, runs in found.items():
        best = {key: min(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name:10} import {best['import'] * 1000:4.0f} ms CPU,  first GET {best['first'] * 1000:4.0f} ms,"
            f"  warm GET {best['warm'] * 1000:5.2f} ms, of which two calls by bare boto3 {best['bare'] * 1000:.2f} ms,"
            f"  DynamoDB {best['dynamodb']:.2f} calls, Postgres {best['postgres']:.2f} round trips"
        )
    return all(
        [
            note("request.first_ms", 1000 * best["first"]),
            note("request.warm_ms", 1000 * best["warm"]),
            note("request.own_ms", 1000 * (best["warm"] - best["bare"])),
            note("request.dynamodb", best["dynamodb"]),
            note("request.postgres", best["postgres"]),
        ]
    )


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
