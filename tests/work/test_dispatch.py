"""The dispatcher's rule takes others' events of its own stage, and none that the app has sent itself."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

import app
from tests.support.emulated import BUCKET
from tests.support.world import World, jpeg

OTHERS = BUCKET.replace("-local-", "-dev-")
NAMESAKES = BUCKET.replace("-local-", "-local-x-")
# Word for word the one of guide 1.
GUIDES = {"item_id": "test", "user_id": "user123", "bucket": "test", "original_key": "test.jpg"}


def is_taken(event: dict[str, Any]) -> bool:
    """Return whether the rule that is deployed with the app matches the event."""
    (source,) = [each for each in app.app.event_sources if hasattr(each, "event_pattern")]
    return EventPattern.load(json.dumps(source.event_pattern)).matches_event(event)


def created(bucket: str, key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def hand_made(**detail: Any) -> dict[str, Any]:
    return {
        "source": "collections.imageprocessor",
        "detail-type": "ImageProcessed",
        "detail": GUIDES | detail,
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (created(BUCKET, "alice/a.jpg"), True),
        (created(BUCKET, "_derived/alice/a.webp"), False),
        (created(OTHERS, "alice/a.jpg"), False),
        (created(NAMESAKES, "alice/a.jpg"), False),
        (hand_made(bucket=NAMESAKES), False),
        (hand_made(), True),
        (hand_made(bucket=BUCKET), True),
        (hand_made(bucket=OTHERS), False),
        (hand_made(bucket=BUCKET, is_queued=True), False),
        ({**hand_made(), "source": "somebody.else"}, False),
    ],
)
def test_the_rule_takes_events_of_others_and_of_its_own_stage(event: dict[str, Any], expected: bool) -> None:
    assert is_taken(event) == expected


def test_no_event_of_the_apps_own_comes_back_to_it(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("alice/a.pdf", b"%PDF-1.4 garbage")
    assert len(world.published()) == 3
    assert not any(is_taken(event) for event in world.published())
