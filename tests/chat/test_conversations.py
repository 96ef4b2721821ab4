"""Conversations over HTTP, answered without a model: quotes of the user's own items, and nothing else."""

import io
import threading
from typing import Any

import pytest
from PIL import Image, ImageChops

from chalicelib import wiring
from chalicelib.ops.chat.answer import Models
from chalicelib.ops.chat.ask import Asked, answer_now, queue_answer
from tests.support.talking import TALKS, Talk, document

PAGES = (
    "Tomatoes on a balcony need a pot of forty litres.\nWater them every morning in summer, and twice in a heat wave.",
    "Frost kills tomato plants within one night.\nBring the pots inside before the first frost of October.",
)
TOMATOES = document(*PAGES)


def test_an_answer_quotes_the_page_it_is_from(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert (answer["outcome"], answer["provider"], answer["role"]) == ("answered", "extractive", "assistant")
    first = answer["citations"][0]
    assert first["quote"] == "Frost kills tomato plants within one night."
    assert (first["item_id"], first["item_name"], first["page"]) == ("garden", "garden.pdf", 2)
    assert (first["source"], first["verified"], first["stale"]) == ("text", True, False)
    assert answer["content"][first["answer_start"] : first["answer_end"]] == first["quote"]
    page = "/api/v1/documents/garden/pages/2"
    span = f"{first['page_start']}-{first['page_end']}"
    assert (first["page_url"], first["page_image_url"]) == (page, f"{page}/image?highlight={span}")
    assert first["thumbnail_url"] == f"{page}/thumbnail"
    assert answer["content_type"] == "text/plain"
    ((stored,),) = talk.world.sql("SELECT string_agg(text, ' ' ORDER BY ordinal) FROM chunks WHERE page = 2")
    assert stored[first["page_start"] : first["page_end"]] == first["quote"]


def test_a_citation_leads_to_its_page_with_just_the_quote_marked(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    cited = talk.answer(talk.begin(), "When does frost kill tomato plants?")["citations"][0]
    text = talk("GET", cited["page_url"]).body["text"]
    assert text[cited["page_start"] : cited["page_end"]] == cited["quote"]
    rest = f"{cited['page_url']}/image?highlight={cited['page_end'] + 1}-{len(text)}"
    plain, marked, other = (
        _picture(talk, url) for url in (f"{cited['page_url']}/image", cited["page_image_url"], rest)
    )
    (top, bottom), (next_top, next_bottom) = (_changed_rows(plain, each) for each in (marked, other))
    assert 0 < top < bottom <= next_top < next_bottom < plain.height


def _picture(talk: Talk, url: str) -> Image.Image:
    answer = talk.client.http.get(url, headers={"Accept": "image/*"})
    assert answer.status_code == 200, answer.body
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


def _changed_rows(plain: Image.Image, marked: Image.Image) -> tuple[int, int]:
    """Return the first and the last row, by more than a JPEG's noise."""
    changed = ImageChops.difference(plain, marked).convert("L").point(lambda value: 255 * (value > 10))
    box = changed.getbbox()
    assert box is not None
    return box[1], box[3]


def test_nothing_relevant_is_said_to_be_nothing(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    answer = talk.answer(talk.begin(), "Which quarterly dividends did shareholders receive?")
    assert (answer["outcome"], answer["citations"], answer["dropped"]) == ("nothing_relevant", [], 0)
    assert answer["content"] == "I found nothing in your items that answers this."


@pytest.mark.parametrize("status", [413, 422, 503])
def test_what_the_embedder_does_not_take_is_answered_by_words(talk: Talk, status: int) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.providers.fail_with = [status, status]
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert talk.world.providers.fail_with == []
    assert (answer["outcome"], answer["missing"]) == ("answered", ["semantic"])


def test_without_any_items_nothing_is_found(talk: Talk) -> None:
    assert talk.answer(talk.begin(), "What is there?")["outcome"] == "nothing_relevant"


def test_a_follow_up_is_searched_for_with_the_words_before_it(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    talk.answer(place, "What kills tomato plants?")
    answer = talk.answer(place, "And what about frost?")
    assert answer["question"] == "And what about frost? kills tomato plants"
    assert answer["citations"][0]["page"] == 2


def test_it_can_be_bounded_to_items(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.ingest("alice/other.pdf", document("Frost kills tomato plants, says a neighbour."))
    place = talk.begin()
    answer = talk.answer(place, "When does frost kill tomato plants?", item_ids=["other"])
    assert {citation["item_id"] for citation in answer["citations"]} == {"other"}
    assert talk.messages(place)[0]["item_ids"] == ["other"]


def test_it_can_be_bounded_to_a_collection(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.ingest("alice/other.pdf", document("Frost kills tomato plants, says a neighbour."))
    collection = "00000000-0000-4000-8000-000000000001"
    talk.world.sql(
        f"INSERT INTO collections (user_id, id, name) VALUES ('alice', '{collection}', 'c');"
        f"INSERT INTO collection_items VALUES ('alice', '{collection}', 'other')"
    )
    place = talk.begin()
    answer = talk.answer(place, "When does frost kill tomato plants?", collection_id=collection)
    assert {citation["item_id"] for citation in answer["citations"]} == {"other"}
    assert talk.messages(place)[0]["collection_id"] == collection


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


@pytest.mark.parametrize("fate", ["changed", "deleted", "read otherwise", "read in part", "not read yet"])
def test_a_citation_is_stale_once_its_item_is_not_what_it_was(talk: Talk, fate: str) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    talk.answer(place, "When does frost kill tomato plants?")
    if fate == "changed":
        talk.world.ingest("alice/garden.pdf", document(*PAGES, "The pages before are what they were."))
    elif fate == "read otherwise":
        talk.world.sql("UPDATE chunks SET text = replace(text, 'night', 'weeks')")
    elif fate == "read in part":
        talk.world.sql("UPDATE chunks SET text = left(text, 20), char_end = char_start + 20")
    elif fate == "not read yet":
        talk.world.sql("DELETE FROM chunks")
    else:
        assert talk("DELETE", "/api/v1/items/garden").status == 204
    answer = talk.messages(place)[1]
    first = answer["citations"][0]
    assert answer["stale"]
    assert (first["stale"], first["quote"]) == (True, "Frost kills tomato plants within one night.")
    assert {first[f"{what}_url"] is None for what in ("thumbnail", "page", "page_image")} == {
        fate == "deleted"
    }


def test_a_quote_over_several_chunks_is_found_and_is_not_stale(talk: Talk) -> None:
    rows = [f"Frost number {n} of the long winter killed the tomato plants of yard {n}." for n in range(60)]
    talk.world.ingest("alice/garden.pdf", document("\n".join(rows)))
    quote = " ".join(rows[10:30])
    talk.use_model(
        lambda _: {"sentences": [{"text": "Frost killed.", "citations": [{"passage": 1, "quote": quote}]}]}
    )
    (cited,) = talk.answer(talk.begin(), "Which frost of winter killed the tomato plants?")["citations"]
    within = f"char_start BETWEEN {cited['page_start']} AND {cited['page_end']}"
    assert talk.world.sql(f"SELECT count(*) > 1 FROM chunks WHERE {within}") == [(True,)]
    assert (" ".join(cited["quote"].split()), cited["stale"]) == (quote, False)


def test_anothers_items_are_not_there_to_be_asked(talk: Talk) -> None:
    talk.world.ingest("bob/his.pdf", TOMATOES)
    talk.world.sql(
        "INSERT INTO collections (user_id, id, name) VALUES ('bob', '00000000-0000-4000-8000-000000000001', 'c')"
    )
    place = talk.begin()
    for bound in ({"item_ids": ["his"]}, {"collection_id": "00000000-0000-4000-8000-000000000001"}):
        assert talk.ask(place, "When does frost kill tomato plants?", **bound).status == 404
    assert talk.messages(place) == []


def test_anothers_text_is_never_quoted(talk: Talk) -> None:
    talk.world.ingest("bob/garden.pdf", TOMATOES)
    talk.world.ingest(
        "alice/garden.pdf", document("Alice keeps a diary of the weather and little else in it.")
    )
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert "night" not in str(answer)
    assert answer["citations"] == []


def test_registration_says_who_answers(talk: Talk) -> None:
    def said() -> tuple[str | None, str | None]:
        providers = talk("GET", "/api/v1/registration").body["providers"]
        return providers["chat_provider"], providers["chat_model"]

    assert said() == (None, None)
    talk.use_model(lambda _asked: {})
    assert said() == ("openai", "stub-1")
