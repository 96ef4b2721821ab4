"""Failures as an administrator sees them."""

from collections.abc import Callable
from typing import Any

from chalicelib.events import handlers
from tests.support.world import World

Call = Callable[..., tuple[int, Any]]


def failures(call: Call, query: str = "") -> list[dict[str, Any]]:
    status, answer = call("GET", f"/api/v1/failures{query}")
    assert status == 200, answer
    return answer["data"]


def relay_and_run(world: World) -> None:
    """A minute passes."""
    handlers.minute_passed()
    world.run()
