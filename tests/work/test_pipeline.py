"""The pipeline end to end, one event at a time: twice, late, out of order, never."""

import json
from pathlib import Path

import pytest

from chalicelib.model.work.tasks import POLICIES
from tests.support.emulated import BUCKET
from tests.support.library_api import Api
from tests.support.world import World, jpeg

GUIDES_EVENT = Path(__file__).parents[1] / "support" / "events" / "guide_image_processed.json"

MAX_ATTEMPTS = POLICIES["analyze"].max_attempts


def test_an_image_becomes_ready_and_searchable(world: World) -> None:
    world.ingest("alice/holiday-beach.jpg", jpeg())
    item = world.item("holiday-beach")
    assert (item["status"], item["kind"], item["media_type"]) == ("READY", "image", "image/jpeg")
    assert (item["width_px"], item["height_px"]) == (64, 48)
    assert item["thumbnail_key"] in world.objects()
    assert world.sql("SELECT count(*) FROM chunks") == world.sql("SELECT count(*) FROM vectors") != [(0,)]
    assert [e["detail-type"] for e in world.published()] == [
        "ImageProcessed",
        "AnalysisComplete",
        "ItemReady",
    ]


def test_the_event_contract_of_the_guide(world: World) -> None:
    world.ingest("user123/test-image.jpg", jpeg())
    event = world.published()[0]
    assert event["source"] == "collections.imageprocessor"
    assert (
        event["detail"].items()
        >= {
            "item_id": "test-image",
            "user_id": "user123",
            "bucket": "collections-images-local-000000000000",
            "original_key": "user123/test-image.jpg",
        }.items()
    )


def test_the_sql_of_the_guide_returns_rows_as_written(world: World) -> None:
    world.ingest("user123/test-image.jpg", jpeg())
    assert world.sql("SELECT * FROM items WHERE id = 'test-image'")
    assert world.sql("SELECT id, item_id, category, summary\nFROM analyses\nWHERE item_id = 'test-image'")
    embeddings = world.sql(
        "SELECT id, item_id, embedding_model, embedding_dimensions FROM embeddings WHERE item_id = 'test-image'"
    )
    assert {(item, model, size) for _, item, model, size in embeddings} == {
        ("test-image", "test-embedding", 64)
    }


def test_a_hand_made_event_drives_the_analyzer(world: World) -> None:
    """The guide's `aws events put-events` for an object whose own event was never delivered."""
    world.put("user123/test.jpg", jpeg())
    world.run(
        {
            "detail-type": "ImageProcessed",
            "detail": {
                "item_id": "test",
                "user_id": "user123",
                "bucket": "collections-images-local-000000000000",
                "original_key": "user123/test.jpg",
            },
        }
    )
    assert world.item("test")["status"] == "READY"
    assert world.sql("SELECT category FROM analyses WHERE item_id = 'test'") == [("photo",)]


def test_every_event_twice_changes_nothing(world: World) -> None:
    created = world.put("alice/a.jpg", jpeg())
    world.deliver(created)
    world.deliver(created)
    while messages := world.messages():
        for message in messages:
            world.deliver(message)
            world.deliver(message)
    world.run(created, *world.published()[:2])
    assert world.item("a")["status"] == "READY"
    assert world.sql("SELECT count(*), sum(version) FROM analyses") == [(1, 1)]
    assert world.providers.analyzed == ["a.jpg"]
    assert len(world.providers.embedded) == len(set(world.providers.embedded))
    assert len(world.published()) == 3


def test_an_event_before_its_time_is_ignored(world: World) -> None:
    created = world.put("alice/a.jpg", jpeg())
    detail = {"item_id": "a", "user_id": "alice", "bucket": created["detail"]["bucket"]["name"]}
    world.run(
        {"detail-type": "AnalysisComplete", "detail": {**detail, "original_key": "alice/a.jpg"}}, created
    )
    assert world.item("a")["status"] == "READY"


def test_the_same_bytes_are_one_item_of_one_user(world: World) -> None:
    world.ingest("alice/first.jpg", jpeg())
    world.ingest("alice/copy.jpg", jpeg())
    world.ingest("bob/first.jpg", jpeg())
    assert world.sql("SELECT user_id, id FROM items ORDER BY 1") == [("alice", "first"), ("bob", "first")]
    copies = world.sql("SELECT key, status, item_id FROM uploads WHERE user_id = 'alice' ORDER BY key")
    assert copies == [("alice/copy.jpg", "duplicate", "first"), ("alice/first.jpg", "received", "first")]


def test_two_files_of_one_stem_are_two_items(world: World) -> None:
    world.ingest("alice/a/photo.jpg", jpeg("red"))
    world.ingest("alice/b/photo.jpg", jpeg("blue"))
    first, second = [row[0] for row in world.sql("SELECT id FROM items ORDER BY id")]
    assert first == "photo"
    assert second.startswith("photo~") and len(second) == len("photo~") + 8


def test_an_overwritten_object_starts_its_item_over(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg("red", (64, 48)))
    old = world.item("a")
    world.ingest("alice/a.jpg", jpeg("blue", (32, 32)))
    new = world.item("a")
    assert (new["status"], new["width_px"]) == ("READY", 32)
    assert new["sha256"] != old["sha256"]
    assert world.sql("SELECT count(*) FROM items") == [(1,)]
    assert world.sql("SELECT version, is_current FROM analyses ORDER BY 1") == [(1, False), (2, True)]


def test_an_older_event_of_an_overwritten_object_changes_nothing(world: World) -> None:
    older = world.put("alice/a.jpg", jpeg("red"))
    world.ingest("alice/a.jpg", jpeg("blue"))
    before = world.item("a")
    world.run(older)
    assert world.item("a") == before


def test_overwriting_one_of_two_copies_keeps_the_other(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg("red"))
    world.ingest("alice/b.jpg", jpeg("red"))
    world.ingest("alice/a.jpg", jpeg("blue"))
    found = world.sql("SELECT key, status FROM items ORDER BY key")
    assert found == [("alice/a.jpg", "READY"), ("alice/b.jpg", "READY")]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "empty_file"), (b"<html>", "unsupported_format"), (jpeg(size=(900, 900))[:3000], "truncated")],
)
def test_a_bad_file_ends_failed_with_a_reason(world: World, body: bytes, code: str) -> None:
    world.ingest("alice/bad.jpg", body)
    item = world.item("bad")
    assert (item["status"], item["failure_code"]) == ("FAILED", code)
    assert item["failure_message"].endswith(".")
    assert world.sql("SELECT stage, state, attempt FROM tasks") == [("process", "failed", 1)]


def test_a_provider_that_is_away_is_asked_again_later(world: World) -> None:
    world.providers.fail_with = [503]
    world.ingest("alice/a.jpg", jpeg())
    assert world.item("a")["status"] == "ANALYZING"
    assert world.sql("SELECT state, attempt, error_code FROM tasks WHERE stage = 'analyze'")[0][:2] == (
        "ready",
        1,
    )
    world.wait()
    assert world.item("a")["status"] == "READY"


def test_a_provider_that_stays_away_ends_in_a_failure_that_says_so(world: World) -> None:
    world.providers.fail_with = [503] * MAX_ATTEMPTS
    world.ingest("alice/a.jpg", jpeg())
    for _ in range(MAX_ATTEMPTS - 1):
        world.wait()
    item = world.item("a")
    assert item["status"] == "FAILED"
    assert f"{MAX_ATTEMPTS} attempts" in item["failure_message"]


def test_our_own_bad_key_burns_no_attempt(world: World) -> None:
    world.providers.fail_with = [401]
    world.ingest("alice/a.jpg", jpeg())
    assert world.sql(
        "SELECT state, attempt, run_after > now() + interval '50 seconds' FROM tasks WHERE stage = 'analyze'"
    ) == [("ready", 0, True)]


def test_embedding_goes_on_where_time_ran_out(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.step()
    world.step(remaining_s=1.0)
    assert world.item("a")["status"] == "EMBEDDING"
    world.run()
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("key", ["no-slash.jpg", "_derived/x/y.jpg", "../x.jpg", "al ice/x.jpg", "alice/"])
def test_a_key_nobody_owns_makes_no_item(world: World, key: str) -> None:
    world.deliver(world.put(key, jpeg()))
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
    kept = world.sql("SELECT count(*) FROM dead_letters")
    assert kept == [(0 if key.startswith("_derived/") else 1,)]


def test_the_guides_event_of_a_foreign_bucket_ends_after_one_attempt_and_says_which_is_ours(
    world: World, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guide 1's example, word for word; Lambda may deliver it twice."""
    for _ in range(2):
        world.deliver(json.loads(GUIDES_EVENT.read_text()))
    said = f"The bucket test is not this stage's; that is {BUCKET}."
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (line["level"], line["reason"]) == ("ERROR", "foreign_bucket") and said in line["error"]
    (failure,) = api("GET", "/api/v1/failures")[1]["data"]
    assert (failure["kind"], failure["reason"], failure["attempts"]) == ("dead_letter", "foreign_bucket", 1)
    assert said in failure["last_error"] and failure["item_id"] == "test"
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
    assert api("POST", f"/api/v1/failures/{failure['id']}/redrive")[1]["redriven"] == 1, "it is closed"
    assert api("GET", "/api/v1/failures")[1]["data"] == []


def test_events_that_are_none_are_each_kept_once(world: World) -> None:
    for _ in range(2):
        world.deliver({"detail-type": "ImageProcessed", "detail": {"item_id": "a"}})
        world.deliver({"detail-type": "ImageProcessed", "detail": {"item_id": "b\ud800"}})
    assert world.sql("SELECT reason FROM dead_letters") == [("invalid_event",)] * 2


def test_an_object_that_is_gone_before_it_is_read_leaves_no_item(world: World) -> None:
    event = world.put("alice/a.jpg", jpeg())
    world.aws.client("s3").delete_object(Bucket="collections-images-local-000000000000", Key="alice/a.jpg")
    world.run(event)
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
