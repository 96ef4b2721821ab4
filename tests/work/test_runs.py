"""Runs: an answer that nobody waits for, that takes too long, that is cancelled or fails."""

from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.api.chat import conversations as routes
from chalicelib.api.http.openapi import document as document_of
from chalicelib.errors import InvalidInput
from chalicelib.events import handlers
from chalicelib.wiring import clients
from tests.support.asking import ASYNC, QUESTION, RUNS, queued, states
from tests.support.obedient_model import TRUE, obey
from tests.support.talking import TALKS, Talk


def test_an_answer_that_nobody_waits_for(talk: Talk, place: str) -> None:
    reply = talk.ask(place, QUESTION, headers={"Prefer": 'wait=5, Respond-Async; a="b"'})
    run = reply.body
    assert (reply.status, run["object"], run["kind"], run["state"]) == (202, "run", "answer", "queued")
    assert reply.headers["Location"] == f"{RUNS}/{run['id']}"
    assert reply.headers["Preference-Applied"] == "respond-async"
    (message,) = talk.world.messages()
    assert [message["role"] for message in talk.messages(place)] == ["user"]
    talk.world.deliver(message)
    done = talk("GET", f"{RUNS}/{run['id']}").body
    assert (done["state"], done["attempts"], done["error"]) == ("succeeded", 1, None)
    assert done["output"]["message"] == talk.messages(place)[1]
    assert done["output"]["message"]["citations"][0]["quote"] == TRUE


def test_where_a_run_is_and_that_it_was_asked_for_is_described() -> None:
    described = document_of(app.app.declared, version="1")["paths"]
    for path in (f"{TALKS}/{{conversation_id}}/messages", "/api/v1/conversations"):
        headers = described[path]["post"]["responses"].get("202", {}).get("headers", {})
        assert ({"Location", "Preference-Applied"} <= set(headers)) == path.endswith("/messages")


def test_runs_are_listed_newest_first(talk: Talk, place: str) -> None:
    first, second = queued(talk, place), queued(talk, place)
    talk.deliver_run(first)
    page = talk("GET", f"{RUNS}?limit=1").body
    rest = talk("GET", f"{RUNS}?limit=1&after={page['next']}").body
    assert [run["id"] for run in page["data"] + rest["data"]] == [second, first]
    assert rest["data"][0]["output"]["message"] is None
    assert [run["id"] for run in talk("GET", f"{RUNS}?state=queued").body["data"]] == [second]
    assert talk("GET", f"{RUNS}?state=done").status == 400
    assert talk("GET", f"{RUNS}?after=x").body["field"] == "after"


def test_an_answer_that_takes_too_long_becomes_a_run(
    talk: Talk, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.use_model(obey)
    talk.world.providers.delay_s = 4.0
    monkeypatch.setattr(routes, "ANSWER_WITHIN_S", 3.0)
    reply = talk.ask(place, QUESTION)
    assert (reply.status, reply.body["state"], reply.body["attempts"]) == (202, "queued", 0)
    assert reply.body["error"]["code"] == "time_up"
    assert reply.headers["Location"] == f"{RUNS}/{reply.body['id']}"
    talk.world.providers.delay_s = 0.0
    talk.world.step()
    assert states(talk) == [("done", 1, None)]
    assert talk.messages(place)[1]["content"] == "The keeper counts the ships."


def test_a_model_is_not_asked_without_time_for_it(
    talk: Talk, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.use_model(obey)
    monkeypatch.setattr(routes, "ANSWER_WITHIN_S", 1.9)
    reply = talk.ask(place, QUESTION)
    assert (reply.status, reply.body["attempts"], reply.body["error"]["code"]) == (202, 0, "time_up")
    assert talk.world.providers.asked == []
    assert len(talk.world.messages()) == 1


@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_provider_that_is_away_is_asked_again_later(talk: Talk, place: str, status: int) -> None:
    talk.use_model(obey)
    talk.world.providers.fail_chat_with = [status]
    talk.world.providers.headers = {"Retry-After": "30"}
    reply = talk.ask(place, QUESTION)
    assert (reply.status, reply.body["state"], reply.body["attempts"]) == (202, "queued", 1)
    talk.deliver_run(reply.body["id"])
    assert states(talk)[0][:2] == ("ready", 1), "it is not due"
    talk.world.sql("UPDATE tasks SET run_after = run_after - interval '40 s' WHERE run_id IS NOT NULL")
    handlers.minute_passed()
    talk.world.step()
    assert states(talk) == [("done", 2, None)]


def test_a_wrong_key_burns_no_attempt(talk: Talk, place: str) -> None:
    talk.use_model(obey)
    talk.world.providers.fail_chat_with = [401]
    reply = talk.ask(place, QUESTION)
    assert (reply.status, reply.body["attempts"], reply.body["error"]["code"]) == (202, 0, "misconfigured")
    assert "stub" not in reply.body["error"]["message"]


def test_what_is_not_set_up_is_said_before_anything_is_written(talk: Talk, place: str) -> None:
    talk.monkeypatch.delenv("EMBEDDINGS_URL")
    wiring.settings.forget()
    wiring.embedder.forget()
    reply = talk.ask(place, QUESTION)
    assert (reply.status, reply.code) == (503, "no_embedder")
    assert (states(talk), talk.messages(place)) == ([], [])


def test_after_the_last_attempt_it_has_failed(talk: Talk, place: str) -> None:
    talk.use_model(obey)
    talk.world.providers.fail_chat_with = [503] * 6
    run_id = talk.ask(place, QUESTION).body["id"]
    for _ in range(6):
        talk.world.sql("UPDATE tasks SET run_after = now() WHERE run_id IS NOT NULL")
        talk.deliver_run(run_id)
    run = talk("GET", f"{RUNS}/{run_id}").body
    assert (run["state"], run["attempts"], run["output"]) == ("failed", 6, None)
    assert run["error"]["message"].startswith("Given up after 6 attempts.")
    assert [message["role"] for message in talk.messages(place)] == ["user"]


def test_what_a_model_refuses_is_said_to_be_refused(talk: Talk, place: str) -> None:
    refusal = {"choices": [{"finish_reason": "stop", "message": {"refusal": "No.", "content": None}}]}
    talk.use_model(obey)
    talk.world.providers.chat_answer = refusal
    answer = talk.answer(place, QUESTION)
    assert (answer["outcome"], answer["content"]) == ("refused", "The model declined to answer this.")


def test_a_queued_run_is_cancelled_and_never_done(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    for _ in range(2):
        reply = talk("POST", f"{RUNS}/{run_id}/cancel")
        assert (reply.status, reply.body["state"]) == (200, "cancelled")
    talk.deliver_run(run_id)
    assert states(talk) == [("cancelled", 0, None)]
    assert len(talk.messages(place)) == 1


def test_a_run_that_is_over_is_not_cancelled(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    talk.deliver_run(run_id)
    reply = talk("POST", f"{RUNS}/{run_id}/cancel")
    assert (reply.status, reply.code) == (409, "run_is_over")


def test_cancelled_while_it_is_worked_on_it_writes_nothing(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)

    def cancel(asked: Any) -> Any:
        talk.world.sql("UPDATE tasks SET state = 'cancelled', token = NULL WHERE run_id IS NOT NULL")
        return obey(asked)

    talk.use_model(cancel)
    talk.deliver_run(run_id)
    assert states(talk) == [("cancelled", 1, None)]
    assert len(talk.messages(place)) == 1


def test_a_question_deleted_meanwhile_is_not_answered(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)

    def delete(asked: Any) -> Any:
        talk.world.sql("DELETE FROM conversations")
        return obey(asked)

    talk.use_model(delete)
    talk.deliver_run(run_id)
    assert states(talk) == [("failed", 1, "not_found")]
    assert talk("GET", f"{RUNS}/{run_id}").body["error"]["message"] == "There is no such conversation."


def test_an_answer_deleted_since_is_no_more_in_its_run(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    talk.deliver_run(run_id)
    assert talk("DELETE", f"{TALKS}/{place}").status == 204
    output = talk("GET", f"{RUNS}/{run_id}").body["output"]
    assert (output["conversation_id"], output["message"]) == (place, None)
    assert "lighthouse" not in str(talk.world.sql("SELECT to_jsonb(t) FROM tasks t WHERE run_id IS NOT NULL"))


def test_all_that_happened_to_a_run_is_its_timeline(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    other = queued(talk, place)
    talk.use_model(lambda asked: 503)
    talk.deliver_run(run_id)
    talk("POST", f"{RUNS}/{run_id}/cancel")
    talk("POST", f"{RUNS}/{run_id}/cancel")
    timeline = talk("GET", f"{RUNS}/{run_id}/timeline").body
    told = [(each["stage"], each["event"], each["attempt"]) for each in timeline["data"]]
    assert told == [("answer", "started", 1), ("answer", "retrying", 1), ("answer", "cancelled", None)]
    first = talk("GET", f"{RUNS}/{run_id}/timeline?limit=2").body
    rest = talk("GET", f"{RUNS}/{run_id}/timeline?after={first['next']}").body
    assert (first["data"] + rest["data"], rest["has_more"]) == (timeline["data"], False)
    assert talk("GET", f"{RUNS}/{other}/timeline").body["data"] == []
    talk.be("bob")
    assert talk("GET", f"{RUNS}/{run_id}/timeline").status == 404


def test_runs_are_listed_by_their_state(talk: Talk, place: str) -> None:
    ids = [queued(talk, place) for _ in range(3)]
    talk.deliver_run(ids[0])
    talk("POST", f"{RUNS}/{ids[1]}/cancel")
    states = ("succeeded", "cancelled", "queued", "running", "failed")
    found = {
        state: [run["id"] for run in talk("GET", f"{RUNS}?state={state}").body["data"]] for state in states
    }
    assert found == {
        "succeeded": ids[:1],
        "cancelled": ids[1:2],
        "queued": ids[2:],
        "running": [],
        "failed": [],
    }
    assert talk("GET", f"{RUNS}?state=ready").status == 400


@pytest.mark.parametrize("run_id", ["nonsense", "00000000-0000-4000-8000-000000000000", "%00"])
def test_a_run_that_there_is_not(talk: Talk, run_id: str) -> None:
    assert talk("GET", f"{RUNS}/{run_id}").status == 404
    assert talk("GET", f"{RUNS}/{run_id}/timeline").status == 404
    assert talk("POST", f"{RUNS}/{run_id}/cancel").status == 404


def test_a_kind_this_release_does_not_know_waits_for_one_that_does(talk: Talk, place: str) -> None:
    run_id = queued(talk, place)
    talk.world.sql("UPDATE tasks SET stage = 'later' WHERE run_id IS NOT NULL")
    talk.deliver_run(run_id)
    later = {"body": talk.run_message(run_id)["body"].replace("answer", "later")}
    with pytest.raises(InvalidInput):
        talk.world.deliver(later)
    assert states(talk) == [("ready", 0, None)]
    talk.world.sql("UPDATE tasks SET state = 'running', lease_until = now() WHERE run_id IS NOT NULL")
    talk.world.sweep()
    assert states(talk) == [("running", 0, None)]


def test_the_queue_being_away_is_the_relays_problem(talk: Talk, place: str) -> None:
    talk.monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    wiring.settings.forget()
    clients.sqs.forget()
    wiring.queues.forget()
    assert talk.ask(place, QUESTION, headers=ASYNC).status == 202
    assert talk.world.messages() == []
    talk.monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{talk.world.aws.emulator.port}")
    wiring.settings.forget()
    clients.sqs.forget()
    wiring.queues.forget()
    handlers.minute_passed()
    talk.world.step()
    assert states(talk) == [("done", 1, None)]
