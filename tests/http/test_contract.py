"""The API keeps to its own OpenAPI document: Schemathesis reads it and tries every route, alone and in chains.

Schemathesis' examples are the same in every run; CONTRACT_SCALE multiplies how many there are.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.api.http.openapi import document
from chalicelib.api.http.routes import Caller, Edge
from chalicelib.errors import Unauthenticated
from tests.support.served import Served, served_app
from tests.support.small_files import make_pdf
from tests.support.world import World, jpeg

SCALE = int(os.environ.get("CONTRACT_SCALE", "1"))
OPTIONS = ("--checks=all", "--no-color")
# All failures redriven at once would leave none to be redriven one by one: that route comes last, alone.
RUNS = (
    ("coverage,fuzzing", f"--max-examples={12 * SCALE}", "--exclude-operation-id=redrive_failures"),
    ("stateful", f"--max-examples={60 * SCALE}", "--exclude-operation-id=redrive_failures"),
    ("coverage,fuzzing", f"--max-examples={12 * SCALE}", "--include-operation-id=redrive_failures"),
)
# They need a password, a token, a mail's link or a session that chance does not find, an item that is in this very
# collection, a run that nobody has done yet or that waits for a file, bytes in S3, or a document to practise:
# tests/accounts/test_sessions.py, test_proofs.py, test_collections.py, test_runs.py, test_multipart.py and
# tests/practice have them.
UNKNOWABLE = {
    *("create_account", "set_password", "change_email", "create_verification"),
    *("log_in", "refresh_session", "end_session", "remove_collection_item", "cancel_run", "complete_upload"),
    *("complete_run_upload", "get_upload_url", "retry_run", "download_run_file", "redeliver", "delete_me"),
    "get_account_deletion",
    *(
        "generate_exercise",
        "evaluate_answer",
        "remediate_gap",
        "get_exercise",
        "change_exercise",
        "delete_exercise",
    ),
    *("get_hint", "list_evaluations", "get_concept", "delete_concept"),
    *("create_review", "add_deck_exercises", "remove_deck_exercise"),
}
CALLERS = {
    "Bearer of-alice": Caller(user_id="alice", is_admin=True),
    "Bearer of-bob": Caller(user_id="bob"),
}
USERS = [
    {"name": caller.user_id, "fixedHeaders": [{"name": "Authorization", "value": token}]}
    for token, caller in CALLERS.items()
]
PDF = make_pdf("BT /F 12 Tf 10 50 Td (words) Tj ET")
HOOKS = f"""
import schemathesis
from hypothesis import strategies as st
schemathesis.openapi.media_type("application/x-ndjson", st.binary(min_size=1, max_size=80))
schemathesis.openapi.media_type("application/pdf", st.binary(max_size=8).map(lambda end: {PDF!r} + end))
"""
CONFIG = """
hooks = "hooks.py"

[generation]
deterministic = true
allow-x00 = false                # no text can have NUL, which JSON Schema cannot say

[auth.wfc]
path = "users.json"
peers = ["alice", "bob"]         # what one of them made, the other must not get

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "302", "404", "413", "422"]  # too large for this stage; a key that came before

[[operations]]
# Rules that JSON Schema cannot state: a cursor of ours, `until` after `since`, one of two fields, a field at least.
include-operation-id = ["list_items", "search_items", "list_failures", "redrive_failures",
                        "list_api_keys", "create_api_key", "change_me", "register", "list_documents",
                        "create_document", "list_collections", "list_collection_items", "list_conversations",
                        "list_usage", "list_stage_usage", "list_runs", "list_jobs", "create_job", "change_job",
                        "cancel_runs", "retry_runs",
                        "list_concepts", "list_exercises", "list_evaluations", "generate_exercise",
                        "list_decks", "list_deck_exercises", "list_due", "create_review", "take_review_log",
                        "get_review_log",
                        "list_webhooks", "list_deliveries", "change_webhook",
                        "create_account", "set_password", "create_verification", "change_email"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "422"]

[[operations]]
# What the state of things may stand against: a document not read yet, a name that is taken, an upload not in parts.
include-operation-id = ["get_page", "get_page_image", "get_page_thumbnail", "create_collection", "change_collection",
                        "create_deck", "change_deck",
                        "cancel_run", "retry_run", "change_run", "create_run", "delete_job", "get_upload_url",
                        "complete_run_upload", "resume_upload", "complete_upload", "create_webhook", "send_test",
                        "redeliver", "redeliver_many",
                        "rotate_webhook_secret"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "422"]

[[operations]]
# Only who knows a password or a token gets in.
include-operation-id = ["log_in", "refresh_session"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401"]
"""


def identify(headers: Mapping[str, str]) -> Caller:
    """Return the caller with this token, in place of the app's own `identify`."""
    caller = CALLERS.get(headers.get("authorization", ""))
    if caller is None:
        raise Unauthenticated("Sign in first.")
    return caller


def fill(world: World, name: str, count: int) -> None:
    """Enough of everybody's, ready and failed, that chains which delete and redrive do not run out of it."""
    for caller in CALLERS.values():
        for number in range(count):
            body = jpeg(size=(60 + number, 40)) + name.encode()
            world.ingest(f"{caller.user_id}/{name}-{number}.jpg", body)
            world.ingest(f"{caller.user_id}/{name}-{number}-broken.jpg", b"broken")
            world.ingest(f"{caller.user_id}/{name}-{number}-words.pdf", PDF + b"%d" % number + name.encode())


def strict_document() -> dict[str, Any]:
    """Return the document without "any other error" and without room for other members: only what is declared will do.

    And without examples: Schemathesis would send the same Idempotency-Key with everything, and ids that nobody has.
    """
    strict = json.loads(msgspec.json.encode(document(app.app.declared, version="1")))
    for operation in [each for methods in strict["paths"].values() for each in methods.values()]:
        del operation["responses"]["default"]
        parts = (operation.get("requestBody", {}), *operation["responses"].values())
        contents = [content for part in parts for content in part.get("content", {}).values()]
        for each in (*operation.get("parameters", ()), *contents):
            each.pop("example", None)
    for schema in strict["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return strict


@dataclass
class Contract:
    world: World
    served: Served
    folder: Path

    def check(self, *options: str, count: int = 6) -> None:
        """Let Schemathesis try the routes, once there is something that they can answer with."""
        self._runs = getattr(self, "_runs", 0) + 1
        fill(self.world, f"run-{self._runs}", count)
        program = Path(sys.executable).parent / "schemathesis"
        command = [program, "run", "openapi.json", f"--url={self.served.url}", *OPTIONS, *options]
        done = subprocess.run(command, cwd=self.folder, text=True, capture_output=True, timeout=600 * SCALE)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def contract(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contract]:
    monkeypatch.setattr(app.app, "edge", lambda: Edge(identify=identify))
    monkeypatch.setenv("REGISTRATION_OPEN", "true")
    monkeypatch.setenv("VERIFY_EMAIL", "true")  # chance finds an address, but no password
    monkeypatch.setenv("MAIL_FOLDER", str(tmp_path / "mail"))
    monkeypatch.setenv("CONSOLE_URL", "http://127.0.0.1:8000")
    for made in (wiring.settings, wiring.mailer, wiring.links):
        made.forget()
    (tmp_path / "openapi.json").write_text(json.dumps(strict_document()))
    (tmp_path / "users.json").write_text(json.dumps({"auth": USERS}))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    (tmp_path / "hooks.py").write_text(HOOKS)
    with served_app() as served:
        yield Contract(world, served, tmp_path)


@pytest.mark.slow
def test_the_api_keeps_to_its_document(contract: Contract) -> None:
    for phases, *options in RUNS:
        contract.check(f"--phases={phases}", *options)
    for route in app.app.declared:
        statuses = contract.served.statuses[route.method, route.path]
        succeeded = any(status < 400 for status in statuses)
        unknowable = route.handler.__name__ in UNKNOWABLE  # test_tenant_matrix.py has nobody ask for them too
        assert succeeded or unknowable, f"{route.method} {route.path} never succeeded"
        tried = 401 in statuses or unknowable
        assert route.public or tried, f"{route.method} {route.path} was never tried by nobody"


def test_the_api_keeps_to_its_document_at_its_bounds(contract: Contract) -> None:
    """Each parameter and field at its limits and beyond, one at a time, of every eighth operation; the long form above
    does it with all of them.
    """
    some = sorted(app.app.declared, key=lambda route: route.handler.__name__)[::8]
    chosen = [f"--include-operation-id={route.handler.__name__}" for route in some]
    contract.check("--phases=coverage", "--max-examples=1", *chosen, count=2)
    assert {route.path for route in some} <= {path for _, path in contract.served.statuses}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        (
            "GET",
            "/api/v1/items?since=2020-01-01T00:00:00%2B17:00",
            None,
            200,
        ),  # Postgres takes no such offset
        ("GET", "/api/v1/failures?until=2020-01-01T00:00:00-23:59", None, 200),
        ("GET", "/api/v1/items?until=0.5", None, 400),  # msgspec takes seconds for a moment
        (
            "POST",
            "/api/v1/search",
            {"query": "a", "limit": 1.0, "filters": {"since": "2020-01-01T00:00:00+17:00"}},
            200,
        ),
    ],
)
def test_what_schemathesis_has_found(
    method: str, path: str, body: Any, status: int, world: World, tmp_path: Path
) -> None:
    app.edge.cache_clear()
    client = Client(app.app, project_dir=str(tmp_path))
    raw = json.dumps(body).encode() if body else b""
    answer = client.http.request(method, path, headers={"Content-Type": "application/json"}, body=raw)
    assert answer.status_code == status, answer.body
