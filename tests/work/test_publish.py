"""An event that the bus did not take is not marked as published, and goes out later."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
from botocore.config import Config

from chalicelib import wiring
from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work import pipeline
from chalicelib.ops.work.publish import publish, relay_due_events
from chalicelib.ops.work.wake import wake
from chalicelib.stores.aws.bus import Bus
from chalicelib.stores.work import outbox
from chalicelib.stores.work.outbox import Outgoing
from tests.support.world import World, jpeg

ALICE_A = ItemRef(user_id="alice", item_id="a")


@contextmanager
def bus_answering(status: int, answer: object) -> Iterator[Bus]:
    """EventBridge's wire format, always with this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield bus_at(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def bus_at(url: str) -> Bus:
    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    client = boto3.client("events", endpoint_url=url, config=config)
    return Bus(lambda: client)


@pytest.fixture
def outgoing(world: World) -> list[Outgoing]:
    """Two events of alice's item, committed and not published."""
    world.step(world.put("alice/a.jpg", jpeg()))
    event = pipeline.stage_finished("embed", ALICE_A, bucket="b", key="k", kind="image")
    return [world.db.transact("alice", lambda tx: outbox.insert(tx, ALICE_A, event)) for _ in range(2)]


def unpublished(world: World) -> int:
    return int(world.sql("SELECT count(*) FROM outbox WHERE published_at IS NULL")[0][0])


def test_only_what_the_bus_accepted_is_marked(world: World, outgoing: list[Outgoing]) -> None:
    answer = {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "InternalFailure"}]}
    with bus_answering(200, answer) as bus:
        wake("alice", db=world.db, queues=wiring.queues(), published=publish(outgoing, bus=bus))
    assert unpublished(world) == 1
    world.sql("UPDATE outbox SET locked_until = now()")
    assert relay_due_events(db=world.db, bus=wiring.bus()) == 1
    assert unpublished(world) == 0


def test_a_bus_that_is_away_is_the_relays_problem(world: World, outgoing: list[Outgoing]) -> None:
    away = bus_at("http://127.0.0.1:9")
    assert publish(outgoing, bus=away) == []
    world.sql("UPDATE outbox SET locked_until = now()")
    with pytest.raises(Unavailable):
        relay_due_events(db=world.db, bus=away)
    assert unpublished(world) == 2


def test_a_bus_that_refuses_us_is_our_mistake(world: World, outgoing: list[Outgoing]) -> None:
    refusal = {"__type": "AccessDeniedException", "message": "no"}
    with bus_answering(400, refusal) as bus, pytest.raises(Misconfigured):
        bus.publish([outgoing[0].event])


def test_two_relays_at_once_send_each_event_once(world: World, outgoing: list[Outgoing]) -> None:
    world.sql("UPDATE outbox SET locked_until = now()")
    first = world.db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=10))
    second = world.db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=10))
    assert (len(first), len(second)) == (2, 0)
