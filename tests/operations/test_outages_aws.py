"""A caller's responses, and what is left, while S3, the event bus or DynamoDB cannot be reached."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from tests.support.library_api import Api
from tests.support.tcp_proxy import Mood, TcpProxy, tcp_proxy
from tests.support.world import World, forget_wiring, jpeg

NEW = {"filename": "b.jpg", "content_type": "image/jpeg", "size_bytes": 5}


@contextmanager
def between(world: World, monkeypatch: pytest.MonkeyPatch, service: str) -> Iterator[TcpProxy]:
    """Give the proxy that the app takes for this service of AWS."""
    with tcp_proxy(world.aws.emulator.port) as proxy:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{proxy.port}")
        forget_wiring()
        yield proxy


@pytest.fixture
def api(world: World, tmp_path: Path) -> Api:
    app.edge.cache_clear()
    return Api(Client(app.app, project_dir=str(tmp_path)))


def status_in_time(api: Api, method: str, path: str, body: Any = None) -> int:
    """The answer's status; no request waits for a part of AWS as long as the driver's own 60 s."""
    started_at = time.monotonic()
    status = api(method, path, body)[0]
    assert time.monotonic() - started_at < 50
    return status


@pytest.mark.parametrize("mood", ["refuse", "reset", "hang"])
def test_without_s3_links_are_given_and_deletions_are_made_up_for(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    with between(world, monkeypatch, "S3") as s3:
        s3.be(mood)
        assert status_in_time(api, "POST", "/api/v1/uploads", NEW) == 201
        assert status_in_time(api, "GET", "/api/v1/items/a/thumbnail") == 302
        assert status_in_time(api, "GET", "/api/v1/items/a/download") == 302
        assert status_in_time(api, "DELETE", "/api/v1/items/a") == 204
        assert api("GET", "/api/v1/items/a")[0] == 404
        assert len(world.objects()) == 3
        s3.be("pass")
        world.sweep()
    assert world.objects() == []


@pytest.mark.parametrize(("mood", "answer_bytes"), [("refuse", 0), ("close", 1000), ("reset", 1000)])
def test_a_stage_without_s3_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, mood: Mood, answer_bytes: int
) -> None:
    event = world.put("alice/a.jpg", jpeg(size=(600, 600)))
    with between(world, monkeypatch, "S3") as s3:
        s3.be(mood, answer_bytes=answer_bytes)
        world.step(event)
        assert world.sql("SELECT state, attempt, error_code FROM tasks") == [("ready", 1, "s3_unavailable")]
        s3.be("pass")
        world.heal()
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_without_the_queue_the_relay_sends_later(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    with between(world, monkeypatch, "SQS") as sqs:
        sqs.be(mood)
        assert status_in_time(api, "POST", "/api/v1/items/a/reprocess") == 202
        assert world.messages() == []
        sqs.be("pass")
        world.heal()
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_without_the_bus_work_goes_on_and_the_relay_publishes_later(
    world: World, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    event = world.put("alice/a.jpg", jpeg())
    with between(world, monkeypatch, "EVENTBRIDGE") as bus:
        bus.be(mood)
        world.step(event)
        assert world.published() == []
        bus.be("pass")
        world.heal()
    assert (world.item("a")["status"], len(world.published())) == ("READY", 3)


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_without_dynamodb_what_costs_money_waits_and_all_else_goes_on(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    with between(world, monkeypatch, "DYNAMODB") as dynamodb:
        dynamodb.be(mood)
        _, health, _ = api("GET", "/health")
        unwell = {part: said for part, said in health["checks"].items() if said != "ok"}
        assert unwell == {"dynamodb": "dynamodb_unavailable"}
        assert health["status"] == "degraded"
        assert status_in_time(api, "GET", "/health/ready") == 503
        assert api("GET", "/api/v1/items/a")[0] == 200
        assert status_in_time(api, "POST", "/api/v1/search", {"query": "a"}) == 503
        assert status_in_time(api, "POST", "/api/v1/uploads", NEW) == 503
        assert status_in_time(api, "POST", "/api/v1/items/a/reprocess") == 503
        assert status_in_time(api, "DELETE", "/api/v1/items/a") == 204
