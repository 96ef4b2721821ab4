"""The audit log: what administrators do through the API is kept before it is done, and nobody can change it."""

import json
from functools import partial
from typing import Any

import psycopg2
import pytest

from chalicelib.ops.operations import audit
from chalicelib.stores.operations import audit as kept
from chalicelib.stores.postgres.postgres import OperatorsDatabase
from tests.support.failing import Call
from tests.support.people import People
from tests.support.world import World

CHANGES = ("DELETE FROM audit_log", "UPDATE audit_log SET actor = 'x'")


def actions(call: Call, query: str = "") -> list[Any]:
    return list(call("GET", f"/api/v1/audit{query}")[1]["data"])


def test_what_an_administrator_asks_for_is_kept_also_when_it_fails_and_shown_to_operators_too(
    world: World, call: Call
) -> None:
    world.ingest("alice/a.jpg", b"garbage")
    assert call("GET", "/api/v1/failures")[0] == 200
    assert actions(call) == [], "to look is no action"
    assert call("POST", "/api/v1/failures/redrive", {"reason": "unsupported_format"})[0] == 202
    assert call("POST", "/api/v1/failures/task-999/redrive")[0] == 404
    assert call("POST", "/api/v1/failures/redrive", {"since": "x"})[0] == 400, "never tried"
    newest, first = actions(call)
    assert (newest["action"], newest["by"], newest["actor"]) == ("redrive_failure", "administrator", "alice")
    assert json.loads(newest["detail"])["path"] == {"failure_id": "task-999"}
    assert json.loads(first["detail"])["body"]["reason"] == "unsupported_format"
    assert first["email"] is None and first["request_id"]
    operators = OperatorsDatabase(world.admin_url, max_size=1)
    assert "redrive_failures - " in audit.list_commands(db=operators)
    audit.record_command("make-admin", email="bob@example.org", request_id="r", db=operators)
    operators.close()
    assert [each["by"] for each in actions(call)] == ["operator", "administrator", "administrator"]
    assert actions(call)[0]["email"] == "bob@example.org"


def test_the_log_is_read_in_pages(world: World, call: Call) -> None:
    for number in range(5):
        audit.record_request("a", {"n": number}, user_id="alice", request_id=f"r{number}", db=world.db)
    seen, query = [], "?limit=2"
    while query:
        page = call("GET", f"/api/v1/audit{query}")[1]
        seen += [each["request_id"] for each in page["data"]]
        query = f"?limit=2&after={page['next']}" if page["has_more"] else ""
    assert seen == ["r4", "r3", "r2", "r1", "r0"]
    assert call("GET", "/api/v1/audit?limit=0")[1]["field"] == "limit"


def test_an_answer_that_is_given_again_is_one_action_and_secrets_are_left_out(
    world: World, people: People
) -> None:
    people.set(REGISTRATION_OPEN="true")
    people.join("ann@example.org")
    people.promote("ann@example.org")
    token = people.log_in("ann@example.org").body["access_token"]
    filters = {"item_id": "sk-ant-api03-" + "x" * 40}
    for _ in range(2):
        asked = people("POST", "/api/v1/failures/redrive", filters, token=token, idempotency_key="once")
        assert asked.status == 202
    ((count, detail),) = world.sql("SELECT count(*) OVER (), detail FROM audit_log")
    assert count == 1 and "xxxx" not in detail


def test_nobody_writes_in_anothers_name_and_the_app_reads_and_changes_nothing(world: World) -> None:
    audit.record_request("a", {}, user_id="alice", request_id="r", db=world.db)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        world.db.transact("alice", lambda tx: kept.insert(tx, command="c", request_id="r", actor="bob"))
    for transact, statements in (
        (partial(world.db.transact, "alice"), ("SELECT 1 FROM audit_log", *CHANGES)),
        (world.db.transact_as_system, CHANGES),
    ):
        for statement in statements:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                transact(lambda tx, statement=statement: tx.run(statement))
    assert world.sql("SELECT actor FROM audit_log") == [("alice",)]


def test_who_is_no_administrator_is_neither_shown_nor_kept(world: World, people: People) -> None:
    people.set(REGISTRATION_OPEN="true")
    token = people.join("bob@example.org")["access_token"]
    assert people("GET", "/api/v1/audit", token=token).status == 403
    assert people("POST", "/api/v1/failures/redrive", {"kind": "item"}, token=token).status == 403
    assert world.sql("SELECT * FROM audit_log") == []
