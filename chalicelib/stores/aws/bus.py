"""The event bus: EventBridge's default bus."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors
from chalicelib.model.work.pipeline import Event

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
        try:
            answer = self._events().put_events(Entries=entries)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "AccessDeniedException":
                raise errors.Misconfigured("EventBridge refused.", code="bus_refused") from error
            raise errors.Unavailable("The event bus is away.", code="bus_unavailable") from error
        except BotoCoreError as error:
            raise errors.Unavailable("The event bus is away.", code="bus_unavailable") from error
        return ["ErrorCode" not in entry for entry in answer["Entries"]]
