"""Fixtures of the tests of webhooks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.people import Reply
from tests.support.receiver import Receiver, receiver
from tests.support.talking import Talk

HOOKS = "/api/v1/webhooks"
EVERY = ["item.ready", "item.failed", "document.ready", "document.failed"]
EVERY += ["run.succeeded", "run.failed", "run.cancelled"]


@dataclass
class Hooks:
    talk: Talk
    receiver: Receiver

    def make(self, *events: str, **more: Any) -> dict[str, Any]:
        reply = self.talk("POST", HOOKS, {"url": self.receiver.url, "events": events or EVERY, **more})
        assert reply.status == 201, reply
        made: dict[str, Any] = reply.body
        return made

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.talk(method, f"{HOOKS}{path}", body, **headers)

    def log(self, hook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self("GET", f"/{hook['id']}/deliveries{query}").body["data"]
        return rows

    def events(self) -> list[str]:
        return [payload["type"] for payload in self.receiver.verified()]


@pytest.fixture
def hooks(talk: Talk) -> Iterator[Hooks]:
    with receiver() as made:
        yield Hooks(talk, made)
