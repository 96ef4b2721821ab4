"""Deliveries: what is told of, when it is sent again, when it ends."""

from datetime import UTC, datetime, timedelta
from time import sleep

import pytest
from standardwebhooks import Webhook

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.model.work.tasks import OTHERS_WAIT_S, POLICIES, Claim, TaskRef
from chalicelib.ops.webhooks.deliver import RETRIED_FOR, deliver_event
from chalicelib.ops.work.engine import Finish, run_task
from chalicelib.providers.http.dial import AddressRules
from chalicelib.providers.webhooks.sender import WebhookSender
from tests.support.obedient_model import TRUE
from tests.support.small_files import make_pdf
from tests.support.talking import document
from tests.support.upstreams import answering
from tests.support.world import jpeg
from tests.webhooks.conftest import Hooks

PDF = make_pdf("BT /F 12 Tf 10 50 Td (words) Tj ET")


def test_items_documents_and_runs_are_told_of_and_pypis_library_verifies_it(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make()
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/b.jpg", b"broken")
    world.ingest("alice/orders.pdf", document(TRUE))
    run = hooks.talk.ask(hooks.talk.begin(), "What?", headers={"Prefer": "respond-async"}).body
    world.run()
    told = hooks.receiver.verified(hook["secret"])
    assert [each["type"] for each in told] == [
        *("item.ready", "item.failed", "item.ready", "document.ready", "run.succeeded")
    ]
    ready, failed, _, read, done = (each["data"] for each in told)
    assert (ready["item_id"], ready["status"], ready["kind"]) == ("a", "READY", "image")
    assert (failed["item_id"], failed["status"], failed["failure_code"]) == (
        "b",
        "FAILED",
        "unsupported_format",
    )
    assert (read["document_id"], read["page_count"]) == ("orders", 1)
    assert (done["run_id"], done["kind"], done["state"]) == (run["id"], "answer", "succeeded")
    headers, _ = hooks.receiver.received[0]
    assert headers["content-type"] == "application/json"
    log = hooks.log(hook)
    assert {each["state"] for each in log} == {"delivered"}
    assert [each["webhook_message_id"] for each in reversed(log)] == [
        h["webhook-id"] for h, _ in hooks.receiver.received
    ]


def test_only_what_was_asked_for_and_only_the_users_own(hooks: Hooks) -> None:
    hook, off = hooks.make("item.failed"), hooks.make("item.ready", enabled=False)
    hooks.talk.world.ingest("alice/a.jpg", jpeg())
    hooks.talk.world.ingest("bob/b.jpg", b"broken")
    assert hooks.log(hook) == hooks.log(off) == hooks.receiver.received == []


def test_an_event_is_written_with_its_change_or_not_at_all(hooks: Hooks) -> None:
    """The transaction that makes the item READY is rolled back: neither is there. Done again, both are."""
    world, hook = hooks.talk.world, hooks.make("item.ready")
    world.sql(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;"
        "CREATE TRIGGER break BEFORE INSERT ON outbox FOR EACH ROW"
        " WHEN (NEW.detail_type = 'ItemReady') EXECUTE FUNCTION break()"
    )
    event = world.put("alice/a.jpg", jpeg())
    with pytest.raises(Exception, match="broken"):
        world.run(event)
    assert world.item("a")["status"] == "EMBEDDING" and hooks.log(hook) == []
    world.sql("DROP TRIGGER break ON outbox")
    world.wait()
    assert world.item("a")["status"] == "READY" and hooks.events() == ["item.ready"]


def test_a_user_without_webhooks_has_nothing_written(hooks: Hooks) -> None:
    hooks.talk.world.ingest("alice/a.jpg", jpeg())
    assert hooks.talk.world.sql("SELECT count(*) FROM webhook_deliveries") == [(0,)]
    assert hooks.talk.world.sql("SELECT count(*) FROM tasks WHERE delivery_id IS NOT NULL") == [(0,)]


def test_during_a_rotation_both_secrets_verify_and_afterwards_the_new_one(hooks: Hooks) -> None:
    hook = hooks.make("item.ready")
    rotated = hooks("POST", f"/{hook['id']}/secret", {"keep_old_hours": 1})
    assert rotated.status == 200 and rotated.body["secret"] != hook["secret"]
    hooks.talk.world.ingest("alice/a.jpg", jpeg())
    assert len(hooks.receiver.verified(hook["secret"], rotated.body["secret"])) == 1
    hooks.talk.world.sql(
        "UPDATE webhook_secrets SET expires_at = now() - interval '1 s' WHERE expires_at IS NOT NULL"
    )
    hooks.talk.world.ingest("alice/b.jpg", jpeg("blue"))
    headers, body = hooks.receiver.received[1]
    assert Webhook(rotated.body["secret"]).verify(body, headers)
    assert len(headers["webhook-signature"].split()) == 1
    last = hooks("POST", f"/{hook['id']}/secret", {"keep_old_hours": 0}).body["secret"]
    hooks("POST", f"/{hook['id']}/test")
    hooks.talk.world.run()
    headers, body = hooks.receiver.received[2]
    assert len(headers["webhook-signature"].split()) == 1 and Webhook(last).verify(body, headers)


def test_a_receiver_that_is_away_is_tried_again_with_the_same_id_and_bytes(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    hooks.receiver.answer = answering("503 Service Unavailable", b"", "Retry-After: 600")
    world.ingest("alice/a.jpg", jpeg())
    (waiting,) = hooks.log(hook, "?state=pending")
    assert (waiting["attempts"], waiting["response_status"]) == (1, 503)
    wait = datetime.fromisoformat(waiting["next_attempt_at"]) - datetime.now(UTC)
    assert timedelta(seconds=540) < wait <= timedelta(seconds=600)
    hooks.receiver.answer = answering("200 OK")
    world.wait()
    (first, body), (again, same) = hooks.receiver.received
    assert body == same and first["webhook-id"] == again["webhook-id"]
    (sent,) = hooks.log(hook, "?state=delivered")
    assert (sent["attempts"], sent["response_status"], sent["error"]) == (2, 200, None)
    assert world.sql("SELECT count(*) FROM failures") == [(0,)]


@pytest.mark.parametrize("status", ["301 Moved Permanently", "400 Bad Request", "404 Not Found", "500 Oops"])
def test_all_but_2xx_is_a_failure_and_no_redirect_is_followed(hooks: Hooks, status: str) -> None:
    hook = hooks.make("item.ready")
    hooks.receiver.answer = answering(status, b"", f"Location: {hooks.receiver.server.url}/elsewhere")
    hooks.talk.world.ingest("alice/a.jpg", jpeg())
    (waiting,) = hooks.log(hook)
    assert (waiting["state"], waiting["attempts"]) == ("pending", 1) and len(hooks.receiver.received) == 1


def test_410_disables_the_webhook_and_enabling_it_sends_again(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    hooks.receiver.answer = answering("410 Gone")
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/b.jpg", jpeg("blue"))
    shown = hooks("GET", f"/{hook['id']}").body
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone") and len(
        hooks.receiver.received
    ) == 1
    (ended,) = hooks.log(hook, "?state=failed")
    path = f"/{hook['id']}/deliveries/{ended['id']}/redeliver"
    assert hooks("POST", path).code == "webhook_disabled"
    assert hooks("PATCH", f"/{hook['id']}", {"enabled": True}).body["disabled_reason"] is None
    hooks.receiver.answer = answering("200 OK")
    assert hooks("POST", path).body["state"] == "pending"
    world.run()
    assert hooks.log(hook)[0]["state"] == "delivered"
    assert len({headers["webhook-id"] for headers, _ in hooks.receiver.received}) == 1


def test_what_waits_for_a_disabled_webhook_ends_unsent(hooks: Hooks) -> None:
    world, hook = hooks.talk.world, hooks.make("item.ready")
    hooks.receiver.answer = answering("500 Oops")
    world.ingest("alice/a.jpg", jpeg())
    hooks("PATCH", f"/{hook['id']}", {"enabled": False})
    world.wait()
    (ended,) = hooks.log(hook)
    assert (ended["state"], ended["attempts"], len(hooks.receiver.received)) == ("failed", 1, 1)


def test_it_is_tried_for_three_days_with_longer_and_longer_waits(hooks: Hooks) -> None:
    """The clock is moved by each wait that the engine sets, until it gives up."""
    world, hook = hooks.talk.world, hooks.make("item.ready")
    hooks.receiver.answer = answering("500 Oops")
    world.ingest("alice/a.jpg", jpeg())
    ((task_id,),) = world.sql("SELECT id FROM tasks WHERE stage = 'webhook'")
    task = TaskRef(user_id="alice", task_id=task_id, kind="webhook")
    now, waits = [datetime.now(UTC)], []

    def attempt(claim: Claim) -> Finish:
        send = wiring.webhook_sender().send
        return deliver_event(claim, db=world.db, send=send, clock=lambda: now[0], time_left_s=lambda: 100)

    while hooks.log(hook)[0]["state"] == "pending":
        wait = datetime.fromisoformat(hooks.log(hook)[0]["next_attempt_at"]) - datetime.now(UTC)
        now[0], waits = now[0] + wait, [*waits, wait.total_seconds()]
        world.sql("UPDATE tasks SET run_after = now() WHERE stage = 'webhook'")
        run_task(task, attempt, db=world.db, bus=wiring.bus(), queues=wiring.queues())
    assert len(waits) < 60 and sum(waits) >= RETRIED_FOR.total_seconds() > sum(waits[:-1]) - 10
    assert max(waits[:3]) < 60 and max(waits) > 3600
    (ended,) = hooks.log(hook)
    assert (ended["state"], ended["attempts"], ended["response_status"]) == ("failed", len(waits) + 1, 500)
    assert world.sql("SELECT state FROM tasks WHERE stage = 'webhook'") == [("done",)]


def test_no_private_address_is_dialled_whatever_the_name_is_resolved_to(hooks: Hooks) -> None:
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"):
        sender = WebhookSender(AddressRules(), resolve=lambda *_, at=address, **__: [(2, 1, 6, "", (at, 0))])
        with pytest.raises(Unavailable) as refused:
            sender.send(f"http://hooks.example:{hooks.receiver.server.port}/", {}, b"{}", timeout_s=2)
        assert refused.value.code == "webhook_address"
    assert hooks.receiver.server.connections == 0


def test_a_receiver_that_says_nothing_is_given_up_in_time(hooks: Hooks) -> None:
    hooks.receiver.server.answer = lambda _request: iter(lambda: sleep(0.1) or b"", None)
    with pytest.raises(Unavailable) as refused:
        wiring.webhook_sender().send(hooks.receiver.url, {}, b"{}", timeout_s=0.5)
    assert refused.value.code == "webhook_timeout"


def test_a_body_stays_under_20_kb_however_long_the_texts_are(hooks: Hooks) -> None:
    world = hooks.talk.world
    hooks.make("item.failed", "document.failed")
    world.ingest("alice/a.pdf", PDF)
    long = "\\u0001" * 20_000
    world.sql(f"UPDATE items SET name = E'{long[: 255 * 6]}', status = 'FAILED', failure_message = E'{long}'")
    world.wait()
    sizes = [len(body) for _, body in hooks.receiver.received]
    assert len(sizes) == 2 and max(sizes) < 20_000


def test_slow_receivers_of_all_users_leave_places_to_runs(hooks: Hooks) -> None:
    """Deliveries share 20 places with answers and jobs."""
    world, hook = hooks.talk.world, hooks.make("item.ready")
    most = POLICIES["webhook"].of_all_users
    assert most is not None and most < 20 / 2
    world.sql(
        f"INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, {most}) n;"
        "INSERT INTO webhooks (user_id, id, url, events)"
        f" SELECT 'u' || n, gen_random_uuid(), 'https://slow.invalid', '{{item.ready}}'"
        f" FROM generate_series(1, {most}) n;"
        "INSERT INTO webhook_deliveries (user_id, webhook_id, event, data)"
        " SELECT user_id, id, 'item.ready', '{}' FROM webhooks WHERE user_id LIKE 'u%';"
        "INSERT INTO tasks (user_id, delivery_id, stage, input, state, lease_until)"
        " SELECT user_id, id, 'webhook', '{}', 'running', now() + interval '1 hour' FROM webhook_deliveries"
    )
    hooks("POST", f"/{hook['id']}/test")
    for message in world.messages():
        world.deliver(message)
    assert hooks.events() == []
    assert len(world.messages()) == 1, "it comes again, but not at once"
    ((wait_s,),) = world.sql(
        "SELECT extract(epoch FROM run_after - now()) FROM tasks WHERE user_id = 'alice' AND stage = 'webhook'"
    )
    assert 5 < wait_s <= OTHERS_WAIT_S
    world.sql("UPDATE tasks SET lease_until = now() WHERE user_id = 'u1'")
    world.wait()
    assert hooks.events() == ["webhook.test"]
