"""The log of an item that succeeds: a line for each step, with ids and without content."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.events import handlers
from tests.support.world import World, context, jpeg

STEPS = {
    "process": [
        "event received",
        "file downloaded",
        "thumbnail created",
        "file processed",
        "event published",
    ],
    "analyze": ["event received", "analysis complete", "analysis stored", "event published"],
    "embed": ["event received", "embedding generated", "embedding stored", "event published"],
}
KNOWN = {
    *(
        "time",
        "level",
        "logger",
        "message",
        "item_id",
        "user_id",
        "stage",
        "request_id",
        "attempt",
        "size_bytes",
    ),
    *("kind", "page_count", "chunks", "embedding_model", "detail_type"),
}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def numbered(request_id: str) -> Any:
    """Lambda's context of a call with this id."""
    return SimpleNamespace(aws_request_id=request_id, **vars(context()))


def test_each_step_of_an_item_is_a_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    world.deliver(world.put("alice/a.jpg", jpeg()))
    capsys.readouterr()
    for number in range(1, 4):
        handlers.tasks_woken({"Records": world.messages()}, numbered(f"call-{number}"))
    assert world.item("a")["status"] == "READY"
    logged = lines(capsys)
    assert {line["level"] for line in logged} == {"INFO"}
    for number, (stage, steps) in enumerate(STEPS.items(), start=1):
        mine = [line for line in logged if line["request_id"] == f"call-{number}"]
        assert [line["message"] for line in mine] == steps
        assert {(line["item_id"], line["user_id"], line["stage"]) for line in mine} == {("a", "alice", stage)}
    assert {name for line in logged for name in line} == KNOWN


def test_fields_are_those_of_the_block_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    with logs.fields(request_id="outer", item_id=None):
        with logs.fields(request_id="inner", password="Bearer abcdefgh12345"):
            logs.logging.getLogger("collections").info("a")
        logs.logging.getLogger("collections").info("b")
    logs.logging.getLogger("collections").info("c")
    found = lines(capsys)
    assert [line.get("request_id") for line in found] == ["inner", "outer", None]
    assert ("item_id" in found[1], found[0]["password"]) == (False, "Bearer ***")
