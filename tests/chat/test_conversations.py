"""Conversations: asking, listing, reading, deleting, and the mistakes that are refused."""

import threading
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.ops.chat.answer import Models
from chalicelib.ops.chat.ask import Asked, answer_now, queue_answer
from tests.chat.garden import TOMATOES
from tests.support.talking import TALKS, Talk


@pytest.mark.parametrize(
    ("bound", "field"),
    [
        ({"item_ids": ["garden", "never-was"]}, "item_ids"),
        ({"collection_id": "00000000-0000-4000-8000-000000000000"}, "collection_id"),
        ({"collection_id": "nonsense"}, "collection_id"),
    ],
)
def test_what_there_is_not_is_named_and_nothing_is_written(talk: Talk, bound: Any, field: str) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    reply = talk.ask(place, "Frost?", **bound)
    assert (reply.status, reply.body["field"]) == (404, field)
    assert (talk.messages(place), talk.world.sql("SELECT FROM tasks WHERE run_id IS NOT NULL")) == ([], [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": " \n "}, "content"),
        ({"content": "x" * 4001}, "content"),
        ({"content": "x", "item_ids": []}, "item_ids"),
        ({"content": "x", "more": 1}, "more"),
        ({}, "content"),
    ],
)
def test_a_wrong_question_is_refused_by_its_field(talk: Talk, body: Any, field: str) -> None:
    reply = talk("POST", f"{TALKS}/{talk.begin()}/messages", body)
    assert (reply.status, reply.body["field"]) == (400, field)


def test_conversations_are_listed_by_what_was_last_said(talk: Talk) -> None:
    first, _, third = (talk.begin(title) for title in ("", "Second", ""))
    talk.answer(
        first, "A question that is long enough to be cut somewhere, as nobody wants to read it all there"
    )
    listed = talk("GET", f"{TALKS}?limit=2").body
    assert [row["id"] for row in listed["data"]] == [first, third]
    assert (
        listed["data"][0]["title"].startswith("A question that is") and len(listed["data"][0]["title"]) == 80
    )
    assert listed["data"][0]["message_count"] == 2
    rest = talk("GET", f"{TALKS}?limit=2&after={listed['next']}").body
    assert ([row["title"] for row in rest["data"]], rest["has_more"]) == (["Second"], False)


def test_a_conversation_is_named_and_deleted(talk: Talk) -> None:
    place = talk.begin()
    begun = talk("POST", TALKS, {})
    assert talk("GET", begun.headers["Location"]).body == begun.body
    talk.answer(place, "What is there?")
    named = talk("PATCH", f"{TALKS}/{place}", {"title": " Mine "})
    assert (named.status, named.body["title"]) == (200, "Mine")
    assert talk("PATCH", f"{TALKS}/{place}", {"title": ""}).body["title"] == "What is there?"
    assert talk("DELETE", f"{TALKS}/{place}").status == 204
    assert talk.world.sql("SELECT FROM messages UNION ALL SELECT FROM citations") == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/messages"), ("GET", "/export")):
        assert talk(method, f"{TALKS}/{place}{path}").status == 404
    assert talk.ask(place, "Still there?").status == 404


def test_nothing_of_a_deleted_conversation_is_kept_for_another_sending(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place, other = talk.begin(), talk.begin()
    asked = "When does frost kill tomato plants?"
    for each, key in ((place, "one"), (other, "two")):
        first = talk.ask(each, asked, headers={"Idempotency_Key": key})
        assert talk.ask(each, asked, headers={"Idempotency_Key": key}).body == first.body
    assert talk("DELETE", f"{TALKS}/{place}").status == 204
    assert talk.world.sql("SELECT key FROM idempotency_keys WHERE body LIKE '%one night%'") == [("two",)]
    assert talk.ask(place, asked, headers={"Idempotency_Key": "one"}).status == 404
    assert talk.ask(other, asked, headers={"Idempotency_Key": "two"}).status == 201


def test_messages_are_read_page_by_page(talk: Talk) -> None:
    place = talk.begin()
    for n in range(3):
        talk.answer(place, f"Question {n}")
    page = talk("GET", f"{TALKS}/{place}/messages?limit=4").body
    rest = talk("GET", f"{TALKS}/{place}/messages?limit=4&after={page['next']}").body
    both = page["data"] + rest["data"]
    assert [message["ordinal"] for message in both] == [1, 2, 3, 4, 5, 6]
    assert [message["reply_to"] for message in both[1::2]] == [message["id"] for message in both[::2]]
    assert (page["has_more"], rest["has_more"]) == (True, False)


def test_many_ask_at_once_and_nothing_is_lost(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    replies: list[str] = []

    def ask(n: int) -> None:
        run_id = f"00000000-0000-4000-8000-{n:012}"
        asked = Asked(conversation_id=place, content=f"Frost {n}?")
        queue_answer("alice", run_id, asked, is_woken=True, db=talk.world.db)
        run = answer_now(
            "alice",
            run_id,
            db=talk.world.db,
            bus=wiring.bus(),
            queues=wiring.queues(),
            models=Models(embedder=wiring.embedder()),
            time_left_s=lambda: 20.0,
        )
        replies.append(run.state)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    talk.world.run()
    said = talk.messages(place)
    assert set(replies) <= {"done", "ready", "running"}, "those that found no free place wait for one"
    assert [message["ordinal"] for message in said] == list(range(1, 25))
    questions = {message["id"]: message["content"] for message in said if message["role"] == "user"}
    assert set(questions.values()) == {f"Frost {n}?" for n in range(12)}
    assert {message["reply_to"] for message in said if message["role"] == "assistant"} == set(questions)


def test_a_conversation_is_full_when_its_questions_answers_would_be_too_many(talk: Talk) -> None:
    place = talk.begin()
    talk.world.sql(
        "INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content)"
        f" SELECT 'alice', gen_random_uuid(), '{place}', n, 'user', 'x' FROM generate_series(1, 499) n"
    )
    assert talk.ask(place, "The last?", headers={"Prefer": "respond-async"}).status == 202
    reply = talk.ask(place, "One more?")
    assert (reply.status, reply.code) == (409, "conversation_full")


def test_anothers_items_are_not_there_to_be_asked(talk: Talk) -> None:
    talk.world.ingest("bob/his.pdf", TOMATOES)
    talk.world.sql(
        "INSERT INTO collections (user_id, id, name) VALUES ('bob', '00000000-0000-4000-8000-000000000001', 'c')"
    )
    place = talk.begin()
    for bound in ({"item_ids": ["his"]}, {"collection_id": "00000000-0000-4000-8000-000000000001"}):
        assert talk.ask(place, "When does frost kill tomato plants?", **bound).status == 404
    assert talk.messages(place) == []


def test_registration_says_who_answers(talk: Talk) -> None:
    def said() -> list[dict[str, str]]:
        chat: list[dict[str, str]] = talk("GET", "/api/v1/registration").body["providers"]["chat"]
        return chat

    assert said() == []
    talk.use_model(lambda _asked: {})
    assert said() == [{"provider": "openai", "model": "stub-1"}]
    talk.monkeypatch.setenv("CHAT_PROVIDER", "openai, bedrock")
    wiring.settings.forget()
    assert [each["provider"] for each in said()] == ["openai", "bedrock"]
