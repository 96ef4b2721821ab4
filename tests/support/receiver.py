"""A receiver of webhooks: keeps what comes, and answers as the test says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

from tests.support.upstreams import RawUpstream, answering, raw_upstream


@dataclass
class Receiver:
    server: RawUpstream
    answer: bytes = field(default_factory=lambda: answering("204 No Content"))

    @property
    def url(self) -> str:
        return f"{self.server.url}/hooks?of=collections"

    @property
    def received(self) -> list[tuple[dict[str, str], bytes]]:
        """Headers, by lower-case name, and body of each request, oldest first."""
        found = []
        for request in self.server.requests:
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line.decode().partition(": ") for line in head.split(b"\r\n")[1:]]
            found.append(({name.lower(): value for name, _, value in lines}, body))
        return found

    def verified(self, *secrets: str) -> list[dict[str, Any]]:
        """Return the payloads, each verified with every secret."""
        for headers, body in self.received:
            for secret in secrets:
                Webhook(secret).verify(body, headers)
        return [json.loads(body) for _, body in self.received]


@contextmanager
def receiver() -> Iterator[Receiver]:
    with raw_upstream() as server:
        made = Receiver(server)
        server.answer = lambda _request: [made.answer]
        yield made
