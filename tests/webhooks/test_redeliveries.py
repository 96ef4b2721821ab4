"""Deliveries that are sent again, found again, and deleted from the log."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.ops.webhooks import webhooks
from tests.support.world import jpeg
from tests.webhooks.conftest import Hooks


def test_a_redelivery_of_what_is_being_sent_is_refused(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    world.ingest("alice/a.jpg", jpeg())
    (sent,) = hooks.log(hook)
    world.sql(
        "UPDATE tasks SET state = 'running', lease_until = now() + interval '1 min' WHERE stage = 'webhook'"
    )
    assert hooks("POST", f"/{hook['id']}/deliveries/{sent['id']}/redeliver").code == "delivery_in_flight"


def test_many_are_sent_again_by_a_filter_that_is_not_empty(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready", "item.failed")
    path = f"/{hook['id']}/deliveries/redeliver"
    world.sql(
        "INSERT INTO webhook_deliveries (user_id, webhook_id, event, data, failed_at, created_at, retried_from)"
        f" SELECT 'alice', '{hook['id']}', CASE n % 2 WHEN 0 THEN 'item.ready' ELSE 'item.failed' END, '{{}}', now(),"
        "  now() - n * interval '1 hour', now() - n * interval '1 hour' FROM generate_series(1, 6) n;"
        "INSERT INTO tasks (user_id, delivery_id, stage, input, state)"
        " SELECT user_id, id, 'webhook', jsonb_build_object('delivery_id', id), 'failed' FROM webhook_deliveries"
    )
    assert hooks("POST", path, {"filter": {}}).code == "empty_filter"
    assert hooks("POST", path, {"filter": {"state": "delivered"}}).body["data"] == []
    since = (datetime.now(UTC) - timedelta(minutes=150)).isoformat()
    recent = hooks("POST", path, {"filter": {"since": since, "event": "item.ready"}})
    assert (recent.status, [each["state"] for each in recent.body["data"]]) == (202, ["pending"])
    monkeypatch.setattr(webhooks, "MAX_REDELIVERIES", 3)
    more = []
    for _ in range(2):
        reply = hooks("POST", path, {"filter": {"state": "failed"}})
        more.append((len(reply.body["data"]), reply.body["has_more"]))
    assert more == [(3, True), (2, False)]
    world.wait()
    world.wait()
    assert sorted(hooks.events()) == ["item.failed"] * 3 + ["item.ready"] * 3
    assert {each["state"] for each in hooks.log(hook)} == {"delivered"}
    hooks("PATCH", f"/{hook['id']}", {"enabled": False})
    assert hooks("POST", path, {"filter": {"state": "failed"}}).code == "webhook_disabled"


def test_the_log_is_kept_for_30_days(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/b.jpg", jpeg("blue"))
    world.sql(
        "UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE data ->> 'item_id' = 'a'"
    )
    world.sweep()
    assert [each["data"]["item_id"] for each in hooks.log(hook)] == ["b"]
    assert world.sql("SELECT count(*) FROM tasks WHERE stage = 'webhook'") == [(1,)]


def test_lost_messages_of_deliveries_are_found(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    hooks("POST", f"/{hook['id']}/test")
    assert world.messages()
    world.heal()
    assert hooks.events() == ["webhook.test"]
    assert json.loads(hooks.receiver.received[0][1])["data"]["webhook_id"] == hook["id"]
