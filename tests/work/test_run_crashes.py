"""Runs whose worker dies, whose event comes twice, late, never or from a stranger: answered once, and nothing lost."""

import json
import threading
from typing import Any

import pytest

from chalicelib import errors, wiring
from chalicelib.events import handlers
from chalicelib.model.work.tasks import TaskRef
from chalicelib.ops.chat import ask
from chalicelib.ops.chat.answer import Models
from chalicelib.ops.work.engine import run_task
from tests.support.asking import QUESTION, queued, states
from tests.support.obedient_model import obey
from tests.support.talking import Talk

KEY = {"Idempotency-Key": "k-1"}


class Killed(BaseException):
    """Ends a worker past every handler of exceptions, as SIGKILL does."""


def test_a_message_that_comes_twice_answers_once(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    threads = [threading.Thread(target=talk.deliver_run, args=(run_id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    talk.deliver_run(run_id)
    assert states(talk) == [("done", 1, None)]
    assert [message["role"] for message in talk.messages(place)] == ["user", "assistant"]


def test_a_message_that_is_lost_is_sent_again(talk: Talk, place: str) -> None:
    queued(talk, place)
    assert len(talk.world.messages()) == 1, "and it never arrives"
    talk.world.sweep()
    assert talk.world.messages() == [], "it may only be late"
    talk.world.sql("UPDATE tasks SET woken_at = woken_at - interval '3 min' WHERE run_id IS NOT NULL")
    talk.world.sweep()
    talk.world.run()
    assert states(talk) == [("done", 1, None)]


@pytest.mark.parametrize("moment", ["asking", "writing"])
def test_a_worker_that_dies_is_replaced(talk: Talk, place: str, moment: str) -> None:
    run_id = queued(talk, place)
    task = TaskRef(
        user_id="alice",
        task_id=json.loads(talk.run_message(run_id)["body"])["task"]["task_id"],
        kind="answer",
    )

    def work(claim: Any) -> Any:
        write = ask.work_out_answer(
            claim,
            db=talk.world.db,
            models=Models(embedder=wiring.embedder()),
            time_left_s=lambda: 20.0,
        )
        if moment == "asking":
            raise Killed

        def write_and_die(tx: Any) -> Any:
            write(tx)
            raise Killed

        return write_and_die

    with pytest.raises(Killed):
        run_task(task, work, db=talk.world.db, bus=wiring.bus(), queues=wiring.queues())
    assert states(talk) == [("running", 1, None)]
    talk.deliver_run(run_id)
    assert states(talk) == [("running", 1, None)], "its lease still runs"
    talk.world.sql("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE run_id IS NOT NULL")
    talk.world.sweep()
    assert states(talk) == [("ready", 1, "worker_lost")]
    talk.world.sql("UPDATE tasks SET run_after = now() WHERE run_id IS NOT NULL")
    handlers.minute_passed()
    talk.world.step()
    assert states(talk) == [("done", 2, None)]
    assert [message["ordinal"] for message in talk.messages(place)] == [1, 2]


def test_a_run_that_kills_its_workers_is_given_up(talk: Talk, place: str) -> None:
    queued(talk, place)
    talk.world.sql(
        "UPDATE tasks SET state = 'running', attempt = 6, lease_until = now() - interval '1 s' WHERE run_id IS NOT NULL"
    )
    talk.world.sweep()
    assert states(talk) == [("failed", 6, "worker_lost")]


def test_a_worker_that_was_taken_for_dead_writes_nothing(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)

    def be_slow(asked: Any) -> Any:
        talk.world.providers.chat = obey
        talk.world.sql("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE run_id IS NOT NULL")
        talk.deliver_run(run_id)
        assert states(talk) == [("done", 2, None)]
        return {"sentences": []}

    talk.use_model(be_slow)
    talk.deliver_run(run_id)
    assert [message["content"] for message in talk.messages(place)[1:]] == ["The keeper counts the ships."]


def test_asked_again_under_its_key_it_is_the_same_question(talk: Talk, place: str) -> None:
    first, again = (talk.ask(place, QUESTION, headers=KEY) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(talk.messages(place)) == 2
    assert talk.ask(place, "Something else?", headers=KEY).status == 422


@pytest.mark.parametrize("crash", ["before the answer", "after the answer"])
def test_a_request_that_dies_is_made_up_for_by_the_next(talk: Talk, place: str, crash: str) -> None:
    assert talk.ask(place, QUESTION, headers=KEY).status == 201
    answer = talk.messages(place)[1]
    talk.world.sql(
        "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, locked_until = now() - interval '1 s'"
    )
    if crash == "before the answer":
        talk.world.sql(
            "DELETE FROM messages WHERE role = 'assistant';"
            "UPDATE tasks SET state = 'running', output = NULL, lease_until = now() - interval '1 s'"
            " WHERE run_id IS NOT NULL"
        )
    again = talk.ask(place, QUESTION, headers=KEY)
    assert (again.status, again.body["id"], again.body["content"]) == (201, answer["id"], answer["content"])
    assert [message["ordinal"] for message in talk.messages(place)] == [1, 2]


def test_what_the_question_was_bounded_to_may_be_gone_by_then(talk: Talk, place: str) -> None:
    first = talk.ask(place, QUESTION, headers=KEY, item_ids=["orders"])
    talk.world.sql(
        "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, locked_until = now() - interval '1 s';"
        "DELETE FROM items"
    )
    again = talk.ask(place, QUESTION, headers=KEY, item_ids=["orders"])
    assert (first.status, again.status, again.body["id"]) == (201, 201, first.body["id"])


def test_while_another_still_works_on_it_the_run_is_shown(talk: Talk, place: str) -> None:
    talk.ask(place, QUESTION, headers=KEY)
    talk.world.sql(
        "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, locked_until = now() - interval '1 s';"
        "UPDATE tasks SET state = 'running', output = NULL, lease_until = now() + interval '1 min'"
        " WHERE run_id IS NOT NULL"
    )
    reply = talk.ask(place, QUESTION, headers=KEY)
    assert (reply.status, reply.body["state"]) == (202, "running")


def test_ended_runs_are_kept_for_thirty_days(talk: Talk, place: str) -> None:
    for _ in range(2):
        talk.deliver_run(queued(talk, place))
    talk.world.sql(
        "UPDATE tasks SET finished_at = now() - interval '31 days'"
        " WHERE id = (SELECT id FROM tasks WHERE run_id IS NOT NULL LIMIT 1)"
    )
    talk.world.sweep()
    assert len(states(talk)) == 1
    assert len(talk.messages(place)) == 4


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"task": {}}',
        '{"task": {"user_id": "alice", "task_id": "1", "kind": "answer"}}',
        '{"task": {"user_id": "alice", "task_id": 0, "kind": "answer"}}',
        '{"task": {"user_id": "alice", "task_id": 1e99, "kind": "answer"}}',
        '{"task": {"user_id": "alice", "task_id": 1, "kind": "; DROP TABLE tasks"}}',
        '{"task": {"user_id": "al\\u0000ice", "task_id": 1, "kind": "answer"}}',
        '{"task": {"user_id": "\\ud800", "task_id": 1, "kind": "answer"}}',
        json.dumps({"task": {"user_id": "x" * 10_000, "task_id": 1, "kind": "answer"}}),
        "[" * 100_000,
    ],
)
def test_a_message_that_is_none_is_refused(talk: Talk, body: str) -> None:
    with pytest.raises(errors.InvalidInput):
        talk.world.deliver({"body": body})


def test_a_message_that_names_another_user_does_nothing(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    for user_id in ("bob", "nobody", "'; DROP TABLE tasks; --"):
        talk.deliver_run(run_id, user_id)
    talk.deliver_run("00000000-0000-4000-8000-000000000000")
    assert states(talk) == [("ready", 0, None)]


def test_a_dead_letter_of_a_run_wakes_it_when_it_is_redriven(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    talk.world.messages()
    handlers.dead_letter("m-1", talk.run_message(run_id)["body"])
    (failure,) = talk("GET", "/api/v1/failures").body["data"]
    assert (failure["kind"], failure["user_id"]) == ("dead_letter", "alice")
    assert talk("POST", f"/api/v1/failures/{failure['id']}/redrive").status < 300
    handlers.minute_passed()
    talk.world.step()
    assert states(talk) == [("done", 1, None)]


def test_a_bug_rings_and_is_tried_again(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    talk.world.sql("UPDATE tasks SET input = '{}' WHERE run_id IS NOT NULL")
    talk.world.messages()
    with pytest.raises(KeyError):
        talk.deliver_run(run_id)
    assert len(talk.world.messages()) == 1, "for the next attempt"
    assert states(talk) == [("ready", 1, "internal_error")]
    assert (
        talk("GET", f"/api/v1/runs/{run_id}").body["error"]["message"] == "Something went wrong on our side."
    )
