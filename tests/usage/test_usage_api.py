"""GET /api/v1/usage: what was used and cost, by day, model, operation and item; the user's own only."""

from decimal import Decimal
from typing import Any

import pytest

from tests.support.people import People, Reply
from tests.support.talking import Talk

USAGE = "/api/v1/usage"
INSERT = """INSERT INTO usage_ledger (user_id, at, operation, provider, model, item_id, cost_usd, price_since,
    input_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, pixels, latency_ms)
    VALUES """
ROW = "('{}', '{}', '{}', '{}', '{}', {}, {}, {}, 10, 20, 3, 4, 5, 6, {})"


def spend(
    talk: Talk,
    user: str = "alice",
    *,
    at: str = "2026-11-20T12:00:00Z",
    operation: str = "chat",
    model: str = "anthropic claude-haiku-5-5",
    item: str | None = None,
    cost: str | None = "0.1",
    latency_ms: int = 100,
) -> None:
    talk.world.sql(f"INSERT INTO users (id) VALUES ('{user}') ON CONFLICT DO NOTHING")
    owner = f"'{item}'" if item else "NULL"
    price = (cost, "'2026-01-01'") if cost else ("NULL", "NULL")
    talk.world.sql(INSERT + ROW.format(user, at, operation, *model.split(), owner, *price, latency_ms))


def usage(talk: Talk, query: str = "", *, november: bool = True) -> Reply:
    window = "since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z&" if november else ""
    return talk("GET", f"{USAGE}?{window}{query}")


def told(reply: Reply, *names: str) -> list[tuple[Any, ...]]:
    assert reply.status == 200, reply
    return [tuple(row[name] for name in names) for row in reply.body["data"]]


def test_by_day_in_utc_the_newest_first(talk: Talk) -> None:
    spend(talk, at="2026-11-20T00:30:00+01:00", cost="0.000000001")
    for _ in range(2):
        spend(talk, at="2026-11-20T23:59:59Z")
    spend(talk, at="2026-10-31T23:59:59Z")
    reply = usage(talk)
    assert told(reply, "day", "calls", "cost_usd") == [
        ("2026-11-20", 2, "0.2"),
        ("2026-11-19", 1, "0.000000001"),
    ]
    assert reply.body["total"]["cost_usd"] == "0.200000001"
    assert {reply.body["data"][0][name] for name in ("model", "provider", "operation", "item_id")} == {None}


def test_every_count_and_what_has_no_price(talk: Talk) -> None:
    spend(talk, latency_ms=100)
    spend(talk, latency_ms=301, cost=None)
    (row,) = usage(talk).body["data"]
    sums = {
        **{"calls": 2, "unpriced_calls": 1, "cost_usd": "0.1", "input_tokens": 20, "cached_tokens": 40},
        **{"cache_write_tokens": 14, "output_tokens": 10, "pixels": 12, "latency_ms": 201},
    }
    assert {name: row[name] for name in sums} == sums == usage(talk).body["total"]


def test_by_model_operation_and_item_the_dearest_first(talk: Talk) -> None:
    spend(talk, operation="embed", model="voyage voyage-4", cost="0.3", item="cat")
    spend(talk, operation="analyze", item="cat")
    spend(talk, operation="analyze", item="dog")
    spend(talk, operation="chat", cost="0.05")
    assert told(usage(talk, "group_by=model"), "provider", "model", "cost_usd") == [
        ("voyage", "voyage-4", "0.3"),
        ("anthropic", "claude-haiku-5-5", "0.25"),
    ]
    operations = told(usage(talk, "group_by=operation"), "operation", "cost_usd")
    assert operations == [("embed", "0.3"), ("analyze", "0.2"), ("chat", "0.05")]
    items = told(usage(talk, "group_by=item"), "item_id", "cost_usd", "calls")
    assert items == [("cat", "0.4", 2), ("dog", "0.1", 1), (None, "0.05", 1)]


def test_page_by_page(talk: Talk) -> None:
    for day in range(10, 17):
        spend(talk, at=f"2026-11-{day}T12:00:00Z")
    seen, after = [], "0"
    while after:
        reply = usage(talk, f"limit=3&after={after}")
        assert reply.body["total"]["calls"] == 7, "the total is that of all pages"
        seen += [day for (day,) in told(reply, "day")]
        after = reply.body["next"]
        assert reply.body["has_more"] == (after is not None)
    assert seen == [f"2026-11-{day}" for day in range(16, 9, -1)]


def test_without_a_window_the_last_thirty_days(talk: Talk) -> None:
    talk.world.sql("INSERT INTO users (id) VALUES ('alice')")
    for days in (1, 29, 31):
        spend(talk, at="2026-11-20T12:00:00Z")
        talk.world.sql(
            f"UPDATE usage_ledger SET at = now() - interval '{days} days' WHERE at = '2026-11-20T12:00:00Z'"
        )
    assert usage(talk, november=False).body["total"]["calls"] == 2


def test_another_users_are_not_there(talk: Talk) -> None:
    spend(talk, "bob", item="bobs")
    for group in ("day", "model", "operation", "item"):
        reply = usage(talk, f"group_by={group}")
        assert (reply.body["data"], reply.body["total"]["calls"]) == ([], 0)
    talk.be("bob")
    assert told(usage(talk, "group_by=item"), "item_id", "cost_usd") == [("bobs", "0.1")]
    assert Decimal(usage(talk).body["total"]["cost_usd"]) == Decimal("0.1")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("group_by=user", "group_by"),
        ("limit=101", "limit"),
        ("after=-1", "after"),
        ("since=2026-11-01", "since"),
        ("since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "until"),
        ("since=2025-01-01T00:00:00Z&until=2026-11-01T00:00:00Z", "since"),
        ("until=0001-01-02T00:00:00Z", "until"),
        ("by=day", "by"),
    ],
)
def test_a_wrong_query_is_told_by_its_field(talk: Talk, query: str, field: str) -> None:
    reply = usage(talk, query, november=False)
    assert (reply.status, reply.body["field"]) == (400, field)


def test_the_stages_sum_is_the_administrators(people: People) -> None:
    tokens = {name: people.join(f"{name}@example.org")["access_token"] for name in ("ann", "bea")}
    ids = {name: people.me(token).body["id"] for name, token in tokens.items()}
    for name, cost in (("ann", "0.25"), ("bea", "0.5")):
        people.world.sql(
            INSERT + ROW.format(ids[name], "2026-11-20", "chat", "a", "m", "'i'", cost, "'2026-01-01'", 1)
        )
    path = f"{USAGE}/stage?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z&group_by="
    refused = people("GET", f"{path}day", token=tokens["ann"])
    assert (refused.status, refused.code) == (403, "forbidden")
    people.promote("ann@example.org")
    by_user = people("GET", f"{path}user", token=tokens["ann"])
    assert told(by_user, "user_id", "cost_usd") == [(ids["bea"], "0.5"), (ids["ann"], "0.25")]
    for group in ("day", "model", "operation"):
        assert told(people("GET", path + group, token=tokens["ann"]), "calls", "cost_usd") == [(2, "0.75")]
    assert by_user.body["total"]["cost_usd"] == "0.75"
    assert people("GET", f"{path}item", token=tokens["ann"]).body["field"] == "group_by"
    assert people("GET", USAGE, token=tokens["bea"]).body["total"]["calls"] <= 1
