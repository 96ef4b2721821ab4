"""Every call of a model that was answered is in the ledger, whatever became of its answer."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.model.usage.budgets import Budgets
from chalicelib.model.usage.usage import Owner, Spent
from chalicelib.ops.usage.meter import Meter
from chalicelib.ops.usage.metered import MeteredChat, MeteredEmbedder
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.chat import HostedChat
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.usage import ledger
from tests.models.making import KEY, openai_embedder, providers
from tests.support.databases import execute, rows
from tests.support.model_server import ModelServer, Reply, anthropic_message
from tests.support.running import Runner, zipped
from tests.support.talking import Talk, document
from tests.support.vendors import TRUE
from tests.support.world import jpeg

HAIKU, DAY = "claude-haiku-5-5", date(2026, 11, 26)
FIELDS = "operation, model, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost_usd"
# 10 tokens of input, 4 read from the cache, 2 written to it, 3 of output: what the server answers unasked.
ONE = Decimal("0.00000279")


def chat(server: ModelServer, db: Database, *, budgets: Budgets | None = None, **owner: str) -> MeteredChat:
    writer = AnthropicMessages(base_url=server.url, api_key=KEY, model=HAIKU)
    meter = Meter(Owner(user_id="alice", **owner), db=db, budgets=budgets or {}, today=lambda: DAY)
    return MeteredChat(HostedChat(providers(writer)), meter)


def ask(model: MeteredChat) -> Any:
    return model.complete("", "", schema=prompts.QUESTION, max_tokens=9, timeout_s=9).value


def kept(url: str, fields: str = FIELDS) -> list[tuple[Any, ...]]:
    return rows(url, f"SELECT {fields} FROM usage_ledger ORDER BY id")


def test_a_call_is_a_row(server: ModelServer, db: Database, admin_url: str) -> None:
    assert ask(chat(server, db, run_id="r", message_id="m")) == {"question": "Is it so?"}
    assert kept(admin_url) == [("chat", HAIKU, 10, 4, 2, 3, ONE)]
    more = "user_id, provider, price_since, item_id, run_id, message_id, latency_ms BETWEEN 0 AND 9000"
    assert kept(admin_url, more) == [
        ("alice", "anthropic", date(2026, 10, 7), None, "r", "m", True),
    ]


def test_a_repair_a_refusal_and_a_bad_answer_are_rows(
    server: ModelServer, db: Database, admin_url: str
) -> None:
    server.script.append(Reply(body=anthropic_message("no JSON")))
    ask(chat(server, db))
    server.script.append(Reply(body=anthropic_message("", stop_reason="refusal", content=[])))
    with pytest.raises(ModelRefused):
        ask(chat(server, db))
    server.value = lambda asked: "never JSON"
    with pytest.raises(Unavailable):
        ask(chat(server, db))
    assert [row[0] for row in kept(admin_url)] == ["chat", "repair", "chat", "chat", "repair"]


def test_a_call_without_an_answer_is_none(server: ModelServer, db: Database, admin_url: str) -> None:
    server.script.append(Reply(503, {}, headers={"x-should-retry": "false"}))
    with pytest.raises(Unavailable):
        ask(chat(server, db))
    assert kept(admin_url) == []


def test_a_model_without_a_price_is_unpriced(server: ModelServer, db: Database, admin_url: str) -> None:
    writer = AnthropicMessages(base_url=server.url, api_key=KEY, model="claude-of-the-tests")
    model = MeteredChat(
        HostedChat(providers(writer)), Meter(Owner(user_id="alice", run_id="r"), db=db, budgets={})
    )
    ask(model)
    ask(chat(server, db, run_id="r"))
    assert [row[-1] for row in kept(admin_url)] == [None, ONE]
    assert db.transact("alice", lambda tx: ledger.sum_of_run(tx, "alice", "r")) == Spent(
        cost_usd=ONE, calls=2, unpriced_calls=1
    )


def test_the_sum_of_a_run_is_its_own(server: ModelServer, db: Database) -> None:
    for owner in ({"run_id": "r"}, {"run_id": "r", "item_id": "i"}, {"run_id": "other"}, {"item_id": "i"}):
        ask(chat(server, db, **owner))
    sums = [
        db.transact(user, lambda tx, user=user, run=run: ledger.sum_of_run(tx, user, run))  # type: ignore[misc]
        for user, run in (("alice", "r"), ("alice", "none"), ("bob", "r"))
    ]
    none = Spent(cost_usd=Decimal(0), calls=0, unpriced_calls=0)
    assert sums == [Spent(cost_usd=2 * ONE, calls=2, unpriced_calls=0), none, none]


def test_what_is_asked_without_a_key_costs_nothing_and_writes_nothing(
    server: ModelServer, db: Database, admin_url: str
) -> None:
    embedder = openai_embedder(f"{server.url}/v1", key=None, model="text-embedding-3-small", dimensions=2)
    assert MeteredEmbedder(embedder, Meter(Owner(user_id="alice"), db=db, budgets={})).embed(
        ["a text"], timeout_s=9
    )
    assert kept(admin_url) == []


def test_nobody_changes_a_row(server: ModelServer, db: Database, app_url: str) -> None:
    """A price that changes does not change what was spent: the app cannot even write it."""
    import psycopg2

    ask(chat(server, db))
    for statement in ("UPDATE usage_ledger SET cost_usd = 0", "DELETE FROM usage_ledger"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(app_url, statement)


def test_from_upload_to_answer(hosted: Talk) -> None:
    hosted.world.ingest("alice/cat.jpg", jpeg())
    hosted.world.ingest("alice/keeper.pdf", document(TRUE))
    assert hosted("POST", "/api/v1/search", {"query": "a cat"}).status == 200
    hosted.be("bob")
    hosted("POST", "/api/v1/search", {"query": "a cat"})
    hosted.be("alice")
    hosted.answer(hosted.begin(), "What does the lighthouse keeper count?")
    ((run_id, message_id),) = hosted.world.sql(
        "SELECT run_id::text, output ->> 'message_id' FROM tasks WHERE run_id IS NOT NULL"
    )
    of_the_answer = [(operation, None, run_id, message_id) for operation in ("embed", "rerank", "chat")]
    assert hosted.world.sql(
        "SELECT operation, item_id, run_id, message_id FROM usage_ledger WHERE user_id = 'alice' ORDER BY id"
    ) == [
        *[(operation, "cat", None, None) for operation in ("analyze", "embed")],
        *[(operation, "keeper", None, None) for operation in ("analyze", "embed")],
        *[(operation, None, None, None) for operation in ("embed", "rerank")],
        *of_the_answer,
    ]
    assert hosted.world.sql("SELECT operation FROM usage_ledger WHERE user_id = 'bob'") == [("embed",)]


def test_a_worker_that_lost_its_lease_has_spent_all_the_same(hosted: Talk, server: ModelServer) -> None:
    """And what is asked again is a second row."""
    vector, late = server.vector, [True]

    def lose_the_lease(text: Any) -> list[float]:
        if late:
            late.clear()
            lost = "token = NULL, state = 'ready', lease_until = NULL"
            hosted.world.sql(f"UPDATE tasks SET {lost} WHERE stage = 'embed'")
        return vector(text)

    server.vector = lose_the_lease
    hosted.world.ingest("alice/cat.jpg", jpeg())
    assert hosted.world.item("cat")["status"] != "READY"
    hosted.world.wait()
    assert hosted.world.item("cat")["status"] == "READY"
    counted = hosted.world.sql("SELECT operation, count(*) FROM usage_ledger GROUP BY 1 ORDER BY 1")
    assert counted == [("analyze", 1), ("embed", 2)]


def test_what_a_row_holds_is_no_text_of_the_user(hosted: Talk) -> None:
    hosted.world.ingest("alice/cat.jpg", jpeg())
    ((kept,),) = hosted.world.sql("SELECT jsonb_agg(to_jsonb(u)) FROM usage_ledger u")
    assert "KEEP OUT" not in json.dumps(kept) and "sk-of-the-tests" not in json.dumps(kept)


def test_calls_for_a_file_of_a_run_have_the_runs_id(hosted: Talk, runner: Runner) -> None:
    run_id = runner.begin()
    pictures = [(f"{number}.jpg", jpeg(size=(64 + number, 48))) for number in range(2)]
    runner.give(run_id, zipped(pictures), filename="a.zip")
    runner.world.ingest("alice/alone.jpg", jpeg("blue"))
    calls = runner.world.sql("SELECT DISTINCT item_id, operation, run_id::text FROM usage_ledger")
    assert set(calls) == {
        (item_id, operation, None if item_id == "alone" else run_id)
        for item_id in ("0", "1", "alone")
        for operation in ("analyze", "embed")
    }
    cost_usd = runner.run(run_id)["cost_usd"]
    assert float(cost_usd) > 0
