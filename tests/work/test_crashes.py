"""A step that is cut off, or overtaken by its user, is healed, and nothing of the user's is lost."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.errors import Misconfigured
from chalicelib.events import contracts, handlers
from chalicelib.model.ingest.files import DecodedFile, FileLimits
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest import ingest
from chalicelib.ops.ingest.manage import delete_item
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.stores.aws.blobs import Blobs
from chalicelib.stores.postgres.postgres import Database
from tests.support.databases import create_database
from tests.support.emulated import BUCKET
from tests.support.world import World, jpeg

ALICE_A = ItemRef(user_id="alice", item_id="a")


def register(world: World, event: dict[str, Any]) -> ItemRef:
    """Do what the first function does before it claims, as if it crashed then."""
    created = contracts.parse(event, contracts.ObjectCreated).detail.object
    arrival = ingest.Arrival(key=parse_key(created.key), etag=created.etag, sequencer=created.sequencer)
    ref = ingest.register_object(arrival, db=world.db)
    assert ref is not None
    return ref


def process(world: World, ref: ItemRef, work: Any) -> None:
    world.do_stage("process", ref, work)


def process_item(world: World, claim: Claim, reader: Decoder | None = None) -> WriteResults | None:
    return ingest.process_item(
        claim,
        db=world.db,
        blobs=wiring.blobs(),
        reader=reader or wiring.decoder(),
        limits=FileLimits(),
        time_left_s=lambda: 100.0,
    )


def at_this_moment(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "time": (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_a_crash_between_registering_and_claiming(world: World) -> None:
    register(world, world.put("alice/a.jpg", jpeg()))
    world.heal()
    assert world.item("a")["status"] == "READY"


def test_a_crash_between_registering_an_overwrite_and_claiming(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    register(world, world.put("alice/a.jpg", jpeg("blue", (10, 10))))
    world.heal()
    assert (world.item("a")["status"], world.item("a")["width_px"]) == ("READY", 10)


def test_overwritten_and_overwritten_back(world: World) -> None:
    for color in ("red", "blue", "red"):
        world.ingest("alice/a.jpg", jpeg(color))
    world.heal()
    item = world.item("a")
    assert item["status"] == "READY"
    assert world.objects() == sorted(["alice/a.jpg", item["preview_key"], item["thumbnail_key"]])


def test_deleted_while_it_is_decoded_leaves_no_objects(world: World) -> None:
    ref = register(world, world.put("alice/a.jpg", jpeg()))

    class Slow(Decoder):
        def decode(self, path: str, declared_media_type: str | None = None, **bounds: Any) -> DecodedFile:
            decoded = super().decode(path, declared_media_type, **bounds)
            delete_item(ref, db=world.db, blobs=wiring.blobs())
            return decoded

    slow = Slow(limits=FileLimits())
    process(world, ref, lambda claim: process_item(world, claim, slow))
    slow.close()
    world.heal()
    assert world.objects() == []


def test_a_crash_between_writing_objects_and_finishing_leaves_none_behind(world: World) -> None:
    ref = register(world, world.put("alice/a.jpg", jpeg()))

    def work(claim: Claim) -> WriteResults:
        process_item(world, claim)
        raise Misconfigured("cut off")

    process(world, ref, work)
    assert len(world.objects()) == 3
    delete_item(ref, db=world.db, blobs=wiring.blobs())
    world.heal()
    assert world.objects() == []


def test_a_processed_item_that_becomes_a_copy_leaves_no_objects(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg("red"))
    world.ingest("alice/b.jpg", jpeg("blue"))
    world.ingest("alice/b.jpg", jpeg("red"))
    world.heal()
    item = world.item("a")
    assert world.sql("SELECT id FROM items") == [("a",)]
    assert world.objects() == sorted(
        ["alice/a.jpg", "alice/b.jpg", item["preview_key"], item["thumbnail_key"]]
    )


def test_a_key_put_again_before_its_deletion_reached_s3_is_kept(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.sql("INSERT INTO object_deletions SELECT user_id, key, etag FROM uploads; DELETE FROM items")
    again = at_this_moment(world.put("alice/a.jpg", jpeg("blue")))
    world.sweep()
    assert "alice/a.jpg" in world.objects()
    world.run(again)
    assert world.item("a")["status"] == "READY"


def test_a_key_put_again_between_a_deletions_commit_and_s3s_is_kept(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    again: list[dict[str, Any]] = []

    class Slow(Blobs):
        def delete(self, objects: Mapping[str, str | None]) -> list[str]:
            again.append(at_this_moment(world.put("alice/a.jpg", jpeg("blue"))))
            return super().delete(objects)

    delete_item(ALICE_A, db=world.db, blobs=Slow(wiring.blobs()._s3, bucket=BUCKET))
    world.run(*again)
    world.heal()
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("fate", ["deleted", "overwritten"])
def test_a_copy_whose_original_goes_away_meanwhile_is_an_item_itself(world: World, fate: str) -> None:
    world.ingest("alice/a.jpg", jpeg())
    ref = register(world, world.put("alice/b.jpg", jpeg()))

    def work(claim: Claim) -> WriteResults | None:
        results = process_item(world, claim)
        if fate == "deleted":
            delete_item(ALICE_A, db=world.db, blobs=wiring.blobs())
        else:
            world.ingest("alice/a.jpg", jpeg("blue"))
        return results

    process(world, ref, work)
    world.heal()
    ready = world.sql("SELECT key FROM items WHERE status = 'READY' ORDER BY key")
    assert ready == [
        (key,) for key in ("alice/a.jpg", "alice/b.jpg") if fate == "overwritten" or "b" in key[6:]
    ]


def test_an_item_overwritten_with_garbage_is_found_no_more(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/a.jpg", b"garbage")
    assert world.item("a")["failure_code"] == "unsupported_format"
    assert world.sql("SELECT (SELECT count(*) FROM postings), (SELECT count(*) FROM vectors)") == [(0, 0)]


def test_one_object_that_cannot_be_an_item_does_not_hold_up_the_others(world: World) -> None:
    world.put("al ice/a.jpg", jpeg())
    world.put("zoe/a.jpg", jpeg())
    world.heal()
    assert world.sql("SELECT user_id, status FROM items") == [("zoe", "READY")]


def test_objects_whose_events_may_still_come_are_left_to_them(world: World) -> None:
    events = [world.put(f"alice/{n}.jpg", jpeg(size=(40 + n, 40))) for n in range(5)]
    handlers.five_minutes_passed({"time": datetime.now(UTC).isoformat()})
    assert world.published() == []
    world.run(*events)
    assert world.sql("SELECT DISTINCT status FROM items") == [("READY",)]


def test_the_same_bytes_give_an_item_that_failed_in_passing_another_chance(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.sql("UPDATE items SET status = 'FAILED', failure_code = 'unavailable', failure_message = 'Away.'")
    world.ingest("alice/b.jpg", jpeg())
    handlers.minute_passed()
    world.run()
    assert world.sql("SELECT id, status FROM items") == [("a", "READY")]


def test_an_item_whose_object_is_gone_is_read_from_its_copy(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/b.jpg", jpeg())
    world.aws.client("s3").delete_object(Bucket=BUCKET, Key="alice/a.jpg")
    world.sql("UPDATE tasks SET state = 'ready', attempt = 0 WHERE stage = 'process'")
    world.heal()
    assert (world.item("a")["status"], world.item("a")["key"]) == ("READY", "alice/b.jpg")


@pytest.mark.parametrize(
    "payload",
    [
        '{"a":"\\ud800"}',
        '{"a":"\\\\u0000"}',
        '{"responsePayload":{"errorType":"X","errorMessage":"bad \\u0000 \\udfff"}}',
        '{"requestPayload":{"detail-type":"ImageProcessed","detail":{"user_id":"\\ud800","item_id":"x"}}}',
        "[1]",
        "1e999",
        '{"a":NaN}',
        '{"requestContext":{"condition":"\\u0000"}}',
        "not json",
    ],
)
def test_a_poisonous_dead_letter_is_kept_like_any_other(world: World, payload: str) -> None:
    handlers.dead_letter("m", payload)
    assert world.sql("SELECT count(*) FROM dead_letters") == [(1,)]


def test_an_event_again_while_its_item_is_being_deleted(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    deleting = psycopg2.connect(world.admin_url)
    with deleting.cursor() as cursor:
        cursor.execute("SELECT FROM uploads WHERE key = 'alice/a.jpg' FOR UPDATE")
        refs: list[ItemRef | None] = []
        arrival = ingest.Arrival(key=parse_key("alice/a.jpg"), etag="other")
        again = threading.Thread(target=lambda: refs.append(ingest.register_object(arrival, db=world.db)))
        again.start()
        again.join(0.3)
        assert again.is_alive()
        cursor.execute("DELETE FROM items")
    deleting.commit()
    again.join()
    deleting.close()
    assert refs == [ALICE_A]


def test_a_database_that_is_not_migrated_is_our_mistake(postgres_url: str, template_url: str) -> None:
    bare = create_database(postgres_url, "bare").replace("//postgres@", "//collections_app:test@")
    database = Database(bare, max_size=1)
    with pytest.raises(Misconfigured):
        database.transact("alice", lambda tx: tx.all("SELECT * FROM items"))
    database.close()
