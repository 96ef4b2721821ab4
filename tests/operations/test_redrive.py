"""Redriving: one, many, twice, at once."""

from chalicelib.model.failures import FailureFilters
from chalicelib.ops.operations.failures import redrive_failures
from tests.support.emulated import BUCKET
from tests.support.failing import Call, failures, relay_and_run
from tests.support.racing import at_once
from tests.support.world import World


def test_redrive_by_filter_takes_what_matches_and_is_harmless_twice(world: World, call: Call) -> None:
    for number in range(5):
        world.ingest(f"alice/{number}.jpg", b"garbage" * (number + 1))
    world.ingest("bob/b.jpg", b"garbage")
    world.ingest("bob/a.pdf", b"")
    assert len(failures(call)) == 7
    filters = {"reason": "unsupported_format", "user_id": "alice"}
    assert call("POST", "/api/v1/failures/redrive", filters)[1]["redriven"] == 5
    assert call("POST", "/api/v1/failures/redrive", filters)[1]["redriven"] == 0
    assert world.sql("SELECT count(*) FROM tasks WHERE state = 'ready' AND woken_at IS NULL") == [(5,)]
    assert {failure["user_id"] for failure in failures(call)} == {"bob"}
    relay_and_run(world)
    assert len(failures(call)) == 7
    status, problem = call("POST", "/api/v1/failures/redrive", {})
    assert (status, problem["code"]) == (400, "invalid_input")


def test_two_redrives_at_once_are_one(world: World) -> None:
    world.ingest("alice/a.jpg", b"garbage")
    counts: list[int] = []

    def redrive() -> None:
        counts.append(redrive_failures(FailureFilters(kind="item"), db=world.db, bucket=BUCKET)[0])

    at_once(*[redrive] * 4)
    assert sum(counts) == 1
    assert world.sql("SELECT count(*) FROM tasks WHERE state = 'ready' AND woken_at IS NULL") == [(1,)]


def test_more_than_one_call_takes_are_told_of(world: World, call: Call) -> None:
    world.sql(
        "INSERT INTO users (id) VALUES ('alice');"
        "INSERT INTO items (user_id, id, key, name, status, failure_code)"
        " SELECT 'alice', n, 'alice/' || n, n, 'FAILED', 'x' FROM generate_series(1, 250) n;"
        "INSERT INTO tasks (user_id, item_id, stage, state, error_code, error_message, finished_at)"
        " SELECT 'alice', n, 'process', 'failed', 'x', 'x', now() FROM generate_series(1, 250) n"
    )
    assert call("POST", "/api/v1/failures/redrive", {"reason": "x"})[1] == {
        "object": "redrive",
        "redriven": 200,
        "has_more": True,
    }
    assert call("POST", "/api/v1/failures/redrive", {"reason": "x"})[1]["redriven"] == 50
    assert world.sql("SELECT count(*) FROM tasks WHERE state = 'ready' AND woken_at IS NULL") == [(250,)]
