"""The sweeper and the relay heal lost events, lost workers and lost objects."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.events import handlers
from chalicelib.model.library.items import ItemRef
from chalicelib.ops.ingest.manage import delete_item
from chalicelib.ops.operations.sweep import sweep
from chalicelib.stores.aws.blobs import Blobs
from chalicelib.stores.work import tasks
from tests.support.emulated import BUCKET
from tests.support.world import World, jpeg

ALICE_A = ItemRef(user_id="alice", item_id="a")


def test_an_object_whose_event_never_came_is_found(world: World) -> None:
    world.put("alice/a.jpg", jpeg())
    world.put("nobody.jpg", jpeg("blue"))
    world.heal()
    assert world.item("a")["status"] == "READY"
    world.sweep()
    assert world.sql("SELECT count(*) FROM items") == [(1,)]
    assert len(world.published()) == 3


def test_objects_whose_events_wait_behind_others_are_worked_on_once(world: World) -> None:
    first, *late = [world.put(f"alice/{number}.jpg", jpeg(size=(40 + number, 40))) for number in range(6)]
    world.step(first)
    world.sweep()
    assert world.sql("SELECT count(*) FROM items") == [(6,)]
    world.run(*late)
    assert world.sql("SELECT DISTINCT status FROM items") == [("READY",)]
    assert world.sql("SELECT DISTINCT attempt FROM tasks") == [(1,)]


def test_an_event_the_bus_did_not_take_is_relayed(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.sql("UPDATE outbox SET published_at = NULL, locked_until = now()")
    handlers.minute_passed()
    assert [event["detail-type"] for event in world.published()] == ["ImageProcessed"]


def test_a_task_that_nobody_has_woken_is_woken_by_the_relay(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.messages()
    world.sql("UPDATE tasks SET woken_at = NULL WHERE state = 'ready'")
    handlers.minute_passed()
    world.run()
    assert world.item("a")["status"] == "READY"


def test_a_lost_message_is_sent_again_once(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    assert len(world.messages()) == 1, "and it never arrives"
    world.sweep()
    assert world.sql("SELECT count(*) FROM item_events WHERE event = 'woken again'") == [(0,)], (
        "it may be late"
    )
    world.sql("UPDATE tasks SET woken_at = now() - interval '3 minutes' WHERE state = 'ready'")
    world.sweep()
    world.sweep()
    (again,) = world.messages()
    world.run(again)
    assert world.item("a")["status"] == "READY"


def test_a_backlog_is_not_amplified(world: World) -> None:
    """Messages that wait for long are not lost: their queue has them."""
    for number in range(6):
        world.step(world.put(f"alice/{number}.jpg", jpeg(size=(40 + number, 40))))
    world.step()
    for _ in range(2):
        world.sql("UPDATE tasks SET woken_at = now() - interval '1 day' WHERE state = 'ready'")
        world.sweep()
    assert world.sql("SELECT count(*) FROM item_events WHERE event = 'woken again'") == [(0,)]


def test_an_expired_lease_is_taken_back_and_its_worker_fenced(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    analyze = world.task(ALICE_A, "analyze")
    slow = world.db.transact("alice", lambda tx: tasks.claim(tx, analyze))
    assert slow is not None
    world.sql("UPDATE tasks SET lease_until = now() - interval '1 second' WHERE stage = 'analyze'")
    world.sweep()
    world.wait()
    assert world.item("a")["status"] == "READY"
    assert world.sql("SELECT attempt FROM tasks WHERE stage = 'analyze'") == [(2,)]


def test_a_worker_that_dies_every_time_ends_in_a_failure(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.sql(
        "UPDATE tasks SET state = 'running', attempt = 8, token = gen_random_uuid(),"
        " lease_until = now() - interval '1 s' WHERE stage = 'analyze'"
    )
    world.sweep()
    item = world.item("a")
    assert (item["status"], item["failure_code"]) == ("FAILED", "worker_lost")


def test_without_s3_the_sweep_heals_what_needs_none(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    assert len(world.messages()) == 1, "and it never arrives"
    world.sql("UPDATE tasks SET woken_at = now() - interval '10 min'")
    with pytest.raises(Unavailable):
        sweep(db=world.db, blobs=blobs_away(), queues=wiring.queues(), now=datetime.now(UTC))
    handlers.minute_passed()
    assert len(world.messages()) == 1
    world.sql("UPDATE tasks SET state = 'running', lease_until = now(), attempt = 1 WHERE stage = 'analyze'")
    with pytest.raises(Unavailable):
        sweep(db=world.db, blobs=blobs_away(), queues=wiring.queues(), now=datetime.now(UTC))
    assert world.sql("SELECT state FROM tasks WHERE stage = 'analyze'") == [("ready",)], "its worker is gone"


def blobs_away() -> Blobs:
    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    return Blobs(boto3.client("s3", endpoint_url="http://127.0.0.1:9", config=config), bucket=BUCKET)


def test_an_item_deleted_while_s3_was_away_stays_deleted_and_its_objects_go_later(world: World) -> None:
    created = world.put("alice/a.jpg", jpeg())
    world.run(created)
    delete_item(ALICE_A, db=wiring.database(), blobs=blobs_away())
    assert len(world.objects()) == 3
    world.run(created)
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
    world.sweep()
    assert world.objects() == []
    assert world.sql("SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM object_deletions)") == [
        (0, 0)
    ]


def test_the_same_key_written_after_its_deletion_is_a_new_item(world: World) -> None:
    world.sql("INSERT INTO users VALUES ('alice')")
    world.sql("INSERT INTO object_deletions VALUES ('alice', 'alice/a.jpg', now() - interval '1 hour')")
    created = world.put("alice/a.jpg", jpeg())
    created["time"] = datetime.now(UTC).isoformat()
    world.run(created)
    assert world.item("a")["status"] == "READY"
    world.sweep()
    assert "alice/a.jpg" in world.objects()


def test_a_dead_letter_is_kept_once_with_its_secrets_removed(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    event = world.published()[-1]
    letter = {
        "requestContext": {
            "functionArn": "arn:aws:lambda:us-east-1:0:function:collections-local-analyzer",
            "condition": "RetriesExhausted",
        },
        "requestPayload": event,
        "responsePayload": {
            "errorType": "OperationalError",
            "errorMessage": "postgresql://u:hunter2@db failed",
        },
    }
    for _ in range(2):
        handlers.dead_letter("m-1", json.dumps(letter))
    handlers.dead_letter("m-2", "not json \x00")
    found = world.sql("SELECT function, reason, item_id, error FROM dead_letters ORDER BY id")
    assert found == [
        (
            "collections-local-analyzer",
            "RetriesExhausted",
            "a",
            "OperationalError: postgresql://u:***@db failed",
        ),
        ("unknown", "unknown", None, "no error was given"),
    ]
    assert world.sql("SELECT count(*) FROM dead_letters WHERE payload::text LIKE '%hunter2%'") == [(0,)]
    assert world.sql("SELECT count(*) FROM item_events WHERE event = 'dead letter'") == [(2,)]
