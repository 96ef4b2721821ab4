"""The engine's promises of runs: they are among the failures, cancel is final, those of the release before go on."""

import json
from typing import Any

import pytest

from chalicelib.events import handlers
from chalicelib.model.work.tasks import POLICIES, TaskRef
from chalicelib.stores.work import tasks
from tests.support.obedient_model import TRUE
from tests.support.talking import Talk, document
from tests.work.engine_tasks import do, woken


def run(talk: Talk) -> str:
    talk.world.ingest("alice/orders.pdf", document(TRUE))
    headers = {"Prefer": "respond-async"}
    return str(talk.ask(talk.begin(), "What does the keeper count?", headers=headers).body["id"])


def listed(talk: Talk, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = talk("GET", f"/api/v1/failures{query}").body["data"]
    return found


def test_a_failed_run_and_one_that_is_retried_are_failures_and_are_redriven(talk: Talk) -> None:
    run_id = run(talk)
    talk.world.sql("UPDATE tasks SET input = '{}' WHERE run_id IS NOT NULL")
    with pytest.raises(KeyError):
        talk.deliver_run(run_id)
    (failure,) = listed(talk)
    assert (failure["kind"], failure["status"], failure["run_id"]) == ("run", "retrying", run_id)
    assert (failure["stage"], failure["item_id"], failure["reason"]) == ("answer", None, "internal_error")
    talk.world.sql("UPDATE tasks SET state = 'failed', finished_at = now() WHERE run_id IS NOT NULL")
    assert [each["status"] for each in listed(talk, f"?run_id={run_id}&kind=run")] == ["failed"]
    assert talk.world.sql("SELECT count(*) FROM failures") == [(1,)]
    assert talk("POST", "/api/v1/failures/redrive", {"kind": "run"}).body["redriven"] == 1
    assert talk("GET", f"/api/v1/runs/{run_id}").body["state"] == "queued"


def test_cancel_is_final_and_frees_the_place_of_a_frozen_worker(talk: Talk) -> None:
    run_id = run(talk)
    frozen = TaskRef(**json.loads(talk.run_message(run_id)["body"])["task"])
    claim = talk.world.db.transact("alice", lambda tx: tasks.claim(tx, frozen))
    assert claim is not None
    talk.world.messages()
    talk.world.sql(
        "INSERT INTO tasks (user_id, run_id, stage, input, state, lease_until, woken_at, token)"
        " SELECT 'alice', gen_random_uuid(), 'answer', '{}', 'running', now() + interval '1 hour', now(),"
        f" gen_random_uuid() FROM generate_series(1, {POLICIES['answer'].at_once - 1})"
    )
    talk.world.sql(
        "INSERT INTO tasks (user_id, run_id, stage, input) VALUES ('alice', gen_random_uuid(), 'answer', '{}')"
    )
    handlers.minute_passed()
    assert woken(talk.world) == []
    assert talk("POST", f"/api/v1/runs/{run_id}/cancel").body["state"] == "cancelled"
    assert len(woken(talk.world)) == 1
    assert not do(frozen)
    assert talk("GET", f"/api/v1/runs/{run_id}").body["state"] == "cancelled"


def test_runs_of_the_release_before_move_over(talk: Talk) -> None:
    """Those that are queued go on, those that are over are read, one that is worked on stays where it is."""
    run_id = run(talk)
    talk.world.messages()
    talk.world.sql(
        "INSERT INTO runs (user_id, id, kind, state, input, output, created_at, lease_until)"
        " SELECT user_id, run_id, stage, 'queued', input, NULL::jsonb, now() - interval '2 min',"
        " NULL::timestamptz FROM tasks WHERE run_id IS NOT NULL"
        " UNION ALL SELECT 'alice', gen_random_uuid(), 'answer', 'succeeded', '{}', '{}', now() - interval '9 min',"
        " NULL"
        " UNION ALL SELECT 'alice', gen_random_uuid(), 'answer', 'running', '{}', NULL, now() - interval '2 min',"
        "  now() + interval '1 min'"
        " UNION ALL SELECT 'alice', gen_random_uuid(), 'answer', 'queued', '{}', NULL, now(), NULL;"
        "DELETE FROM tasks WHERE run_id IS NOT NULL"
    )
    talk.world.sweep()
    assert [each["state"] for each in talk("GET", "/api/v1/runs").body["data"]] == ["queued", "succeeded"]
    assert talk.world.sql("SELECT state FROM runs ORDER BY state") == [("queued",), ("running",)]
    talk.world.run()
    assert talk("GET", f"/api/v1/runs/{run_id}").body["state"] == "succeeded"


def test_a_run_of_the_release_before_whose_last_worker_is_gone_has_failed(talk: Talk) -> None:
    """Made ready with its attempts used up, it would wait for ever."""
    talk.world.sql(
        "INSERT INTO users (id) VALUES ('alice') ON CONFLICT DO NOTHING;"
        "INSERT INTO runs (user_id, id, kind, state, input, attempt, created_at, lease_until)"
        " SELECT 'alice', gen_random_uuid(), 'answer', 'running', '{}', n, now() - interval '9 min',"
        "  now() - interval '5 min' FROM unnest(ARRAY[1, 6]) n"
    )
    talk.world.sweep()
    found = talk("GET", "/api/v1/runs").body["data"]
    assert {each["attempts"]: (each["state"], each["error"]["code"]) for each in found} == {
        1: ("queued", "worker_lost"),
        6: ("failed", "worker_lost"),
    }
