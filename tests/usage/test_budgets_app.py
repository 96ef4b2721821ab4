"""Budgets in the app: questions are refused, searches go on by words, what is processed waits."""

import json
from datetime import UTC, datetime
from typing import Any

from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.usage.usage import Owner, Usage
from chalicelib.ops.usage.meter import Meter
from tests.support.model_server import ModelServer
from tests.support.people import Reply as Answer
from tests.support.talking import Talk, document
from tests.support.vendors import TRUE
from tests.support.world import jpeg

USAGE = "/api/v1/usage"
MOST = Usage(provider="anthropic", model="claude-haiku-5-5", input_tokens=1_000, output_tokens=8_201)


def set_budgets(talk: Talk, **amounts: str) -> None:
    talk.monkeypatch.setenv(
        "BUDGETS", json.dumps({name.replace("_", "."): given for name, given in amounts.items()})
    )
    wiring.settings.forget()


def budget(talk: Talk) -> dict[str, Any]:
    reply = talk("GET", USAGE)
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.body["budget"]
    return found


def test_the_pipeline_waits_and_goes_on_when_the_budget_is_raised(hosted: Talk) -> None:
    world = hosted.world
    set_budgets(hosted, user_free="0")
    world.ingest("alice/cat.jpg", jpeg())
    for _ in range(10):  # more often than a task has attempts
        world.wait()
    assert world.item("cat")["status"] == "ANALYZING"
    ((state, attempt, code, left_s),) = world.sql(
        "SELECT state, attempt, error_code, extract(epoch FROM run_after - now()) FROM tasks WHERE stage = 'analyze'"
    )
    assert (state, attempt, code) == ("ready", 0, "budget_spent") and 1700 < left_s < 1900
    told = [
        row["message"] for row in hosted("GET", "/api/v1/items/cat/timeline").body["data"] if row["message"]
    ]
    assert any("Your budget of 0 US dollars" in message for message in told)
    set_budgets(hosted, user_free="5")
    world.wait()
    assert world.item("cat")["status"] == "READY"


def test_a_question_beyond_the_budget_is_refused_with_402(hosted: Talk) -> None:
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    set_budgets(hosted, user_free="0.01")
    place = hosted.begin()
    reply = hosted.ask(place, "What does the lighthouse keeper count?")
    assert (reply.status, reply.code, reply.body["title"]) == (402, "budget_spent", "Payment Required")
    assert "0.01 US dollars a month" in reply.body["detail"] and "BUDGETS" in reply.body["detail"]
    assert hosted.messages(place) == [], "the question was not taken"
    set_budgets(hosted, user_free="1")
    assert hosted.answer(place, "What does the lighthouse keeper count?")["outcome"] == "answered"


def search(talk: Talk, mode: str) -> Answer:
    return talk("POST", "/api/v1/search", {"query": "lighthouse keeper", "mode": mode})


def test_a_search_beyond_the_budget_goes_on_by_words(hosted: Talk, server: ModelServer) -> None:
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    set_budgets(hosted, user_free="0")
    asked = len(server.asked)
    by_words = search(hosted, "hybrid")
    assert [hit["item_id"] for hit in by_words.body["data"]] == ["keeper"]
    assert by_words.body["missing"] == ["semantic", "reranker"]
    by_meaning = search(hosted, "semantic")
    assert (by_meaning.status, by_meaning.code) == (402, "budget_spent")
    assert len(server.asked) == asked


def test_the_budget_is_shown(hosted: Talk) -> None:
    begins = datetime.now(UTC).strftime("%Y-%m-01")
    fresh = {"begins": begins, "limit_usd": None, "spent_usd": "0", "reserved_usd": "0", "state": "ok"}
    assert budget(hosted) == fresh
    hosted.world.ingest("alice/cat.jpg", jpeg())
    set_budgets(hosted, user_free="1")
    assert budget(hosted) == {
        **fresh,
        "limit_usd": "1",
        "spent_usd": hosted("GET", USAGE).body["total"]["cost_usd"],
    }
    for amount, state in (("0.799", "ok"), ("0.8", "warned"), ("1", "spent")):
        hosted.world.sql(f"UPDATE spending SET spent_usd = {amount}")
        assert budget(hosted)["state"] == state
    hosted.be("bob")
    assert budget(hosted)["spent_usd"] == "0"


def test_a_plan_has_its_own_limit(hosted: Talk) -> None:
    hosted.world.sql(
        "INSERT INTO users (id) VALUES ('alice'); INSERT INTO accounts (user_id, plan) VALUES ('alice', 'team')"
    )
    set_budgets(hosted, user_free="0", user_team="7")
    assert budget(hosted)["limit_usd"] == "7"
    hosted.world.ingest("alice/cat.jpg", jpeg())
    assert hosted.world.item("cat")["status"] == "READY"


def test_the_sweep_frees_what_the_dead_have_reserved(hosted: Talk) -> None:
    set_budgets(hosted, user_free="1")
    Meter(Owner(user_id="alice"), db=wiring.database(), budgets=wiring.settings().budgets).reserve([MOST])
    assert budget(hosted)["reserved_usd"] == "0.0042005"
    hosted.world.sql("UPDATE reservations SET expires_at = now()")
    handlers.five_minutes_passed({"time": datetime.now(UTC).isoformat()})
    assert budget(hosted)["reserved_usd"] == "0"
