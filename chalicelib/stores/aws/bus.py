"""The event bus: EventBridge's default bus."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib import errors
from chalicelib.model.work.pipeline import Event
from chalicelib.stores.aws.aws_errors import translated

BATCH = 10  # PutEvents takes at most ten entries


class Bus:
    """The bus; `client` makes the EventBridge client when it is needed."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._events = client

    def publish(self, events: Sequence[Event]) -> list[bool]:
        """Put events on the bus. Return, in order, whether each was accepted.

        Raise Unavailable or Misconfigured when none was.
        """
        accepted: list[bool] = []
        for start in range(0, len(events), BATCH):
            try:
                accepted += self._put(events[start : start + BATCH])
            except errors.Unavailable:
                if not any(accepted):
                    raise
                return accepted + [False] * (len(events) - len(accepted))
        return accepted

    def _put(self, events: Sequence[Event]) -> list[bool]:
        entries = [
            {"Source": e.source, "DetailType": e.detail_type, "Detail": json.dumps(e.detail)} for e in events
        ]
        with translated("EventBridge", code="bus", refusals=["AccessDeniedException"]):
            answer = self._events().put_events(Entries=entries)
        return ["ErrorCode" not in entry for entry in answer["Entries"]]
