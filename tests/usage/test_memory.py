"""The same request of the same user is answered again without a model, and says so."""

from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import answers
from tests.support.model_server import Asked, ModelServer
from tests.support.scans import scanned_pdf
from tests.support.talking import Talk, document
from tests.support.vendors import CAT, TRUE, title_of, written
from tests.support.world import jpeg

QUESTION = "What does the lighthouse keeper count?"


def asked(server: ModelServer, title: str) -> int:
    """Return how many requests for an answer of this form the model got."""
    return sum("messages" in each.body and title_of(each) == title for each in server.asked)


def reprocess(talk: Talk, item_id: str) -> dict[str, Any]:
    assert talk("POST", f"/api/v1/items/{item_id}/reprocess").status == 202
    talk.world.wait()
    found: dict[str, Any] = talk("GET", f"/api/v1/items/{item_id}").body
    assert found["status"] == "READY"
    return found


def test_a_question_asked_again_is_answered_from_before(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    first, again = (hosted.answer(hosted.begin(), QUESTION) for _ in range(2))
    assert [each["cached"] for each in (first, again)] == [False, True]
    assert [each["input_tokens"] for each in (first, again)] == [16, 0]
    for name in ("content", "outcome", "provider", "model"):
        assert again[name] == first[name]
    assert [quote["quote"] for quote in again["citations"]] == [TRUE]
    assert asked(server, "answer") == 1
    assert hosted.world.sql("SELECT count(*) FROM usage_ledger WHERE operation = 'chat'") == [(1,)]


def test_another_users_answers_are_not_given(hosted: Talk, server: ModelServer) -> None:
    """Bob has the same file and asks the same, word for word."""
    for user in ("alice", "bob"):
        hosted.world.ingest(f"{user}/keeper.pdf", document(TRUE))
        hosted.be(user)
        assert hosted.answer(hosted.begin(), QUESTION)["cached"] is False
    assert asked(server, "answer") == 2 and asked(server, "analysis") == 2
    keys = hosted.world.sql("SELECT count(*), count(DISTINCT key) FROM model_answers")
    assert keys == [(4, 2)], "their requests are the same, and each has an answer of its own"


def test_another_text_or_model_is_another_request(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    place = hosted.begin()
    hosted.answer(place, QUESTION)
    hosted.world.ingest("alice/second.pdf", document(TRUE, "The keeper has a dog that counts nothing."))
    assert hosted.answer(hosted.begin(), QUESTION)["cached"] is False, "there are other passages"
    hosted.monkeypatch.setenv("CHAT_MODEL", "claude-haiku-5-5")
    wiring.forget_all()
    assert hosted.answer(hosted.begin(), QUESTION)["cached"] is False
    assert asked(server, "answer") == 3


def test_an_answer_that_did_not_stand_the_check_is_asked_for_again(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    invented = {
        "text": "He counts sheep.",
        "citations": [{"passage": 1, "quote": "counts the sheep at night"}],
    }

    def value(each: Asked) -> Any:
        return {"sentences": [invented]} if title_of(each) == "answer" else written(each)

    server.value = value
    for _ in range(2):
        found = hosted.answer(hosted.begin(), QUESTION)
        assert (found["outcome"], found["cached"]) == ("nothing_verified", False)
    assert asked(server, "answer") == 2


def test_an_item_processed_again_keeps_its_analysis(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/cat.jpg", jpeg())
    first = hosted("GET", "/api/v1/items/cat").body["analysis"]
    again = reprocess(hosted, "cat")["analysis"]
    assert (first["cached"], again) == (False, {**first, "cached": True})
    assert {name: again[name] for name in CAT} == CAT
    assert asked(server, "analysis") == 1


def test_a_scanned_page_is_not_sent_twice(hosted: Talk, server: ModelServer) -> None:
    def value(each: Asked) -> Any:
        return {"text": "A scanned page."} if title_of(each) == "page" else written(each)

    server.value = value
    hosted.world.ingest("alice/scan.pdf", scanned_pdf([(1, "")]))
    reprocess(hosted, "scan")
    assert asked(server, "page") == 1


def test_what_was_answered_before_a_crash_is_not_paid_twice(hosted: Talk, server: ModelServer) -> None:
    def late(each: Asked) -> Any:
        lost = "token = NULL, state = 'ready', lease_until = NULL"
        hosted.world.sql(f"UPDATE tasks SET {lost} WHERE stage = 'analyze'")
        return CAT

    server.value = late
    hosted.world.ingest("alice/cat.jpg", jpeg())
    hosted.world.wait()
    assert hosted.world.item("cat")["status"] == "READY"
    assert asked(server, "analysis") == 1


def test_it_goes_with_its_item_and_with_time(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/cat.jpg", jpeg())
    assert hosted("DELETE", "/api/v1/items/cat").status == 204
    assert hosted.world.sql("SELECT count(*) FROM model_answers") == [(0,)]
    hosted.world.ingest("alice/dog.jpg", jpeg("blue"))
    hosted.world.sql(f"UPDATE model_answers SET stored_at = now() - interval '{answers.DAYS} days'")
    assert reprocess(hosted, "dog")["analysis"]["cached"] is False
    hosted.world.sql(f"UPDATE model_answers SET stored_at = now() - interval '{answers.DAYS} days'")
    hosted.world.sweep()
    assert hosted.world.sql("SELECT count(*) FROM model_answers") == [(0,)]


def test_a_user_has_so_many_and_the_oldest_go(hosted: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWERS", 3)
    hosted.begin()  # makes the user

    def keep(tx: Tx, key: bytes) -> None:
        answers.upsert(tx, "alice", key, b"{}", item_id=None)

    for number in range(5):
        hosted.world.db.transact("alice", lambda tx, number=number: keep(tx, bytes([number])))  # type: ignore[misc]
    kept = hosted.world.sql("SELECT encode(key, 'hex') FROM model_answers ORDER BY key")
    assert kept == [("02",), ("03",), ("04",)]


def test_an_item_that_is_deleted_meanwhile_leaves_no_answer(hosted: Talk) -> None:
    hosted.begin()
    hosted.world.db.transact("alice", lambda tx: answers.upsert(tx, "alice", b"k", b"{}", item_id="gone"))
    assert hosted.world.sql("SELECT count(*) FROM model_answers") == [(0,)]


def test_models_of_ones_own_are_asked_each_time(talk: Talk) -> None:
    talk.world.ingest("alice/cat.jpg", jpeg())
    reprocess(talk, "cat")
    assert talk.world.providers.analyzed == ["cat.jpg", "cat.jpg"]
    assert talk.world.sql("SELECT count(*) FROM model_answers") == [(0,)]
