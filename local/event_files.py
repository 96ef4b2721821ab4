"""Keeps queued events on disk until their function has finished them: AWS does not lose an accepted event."""

import json
import os
from pathlib import Path

from local.invocations import Invocation


class EventFiles:
    """A directory with one file per event, named by its request id.

    An event that was running when the stack was killed runs again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def keep(self, invocation: Invocation) -> None:
        """Write the event and the number of its attempt. This replaces the event's earlier file."""
        fields = {
            "request_id": invocation.request_id,
            "function_arn": invocation.function_arn,
            "payload": invocation.payload.decode(),
            "attempt": invocation.attempt,
        }
        path = self._path(invocation)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(fields))
        os.replace(partial, path)

    def forget(self, invocation: Invocation) -> None:
        self._path(invocation).unlink(missing_ok=True)

    def load(self) -> list[Invocation]:
        """Return all events on disk, the oldest first."""
        paths = sorted(self._root.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        fields = [json.loads(path.read_text()) for path in paths]
        return [Invocation(**{**values, "payload": values["payload"].encode()}) for values in fields]

    def _path(self, invocation: Invocation) -> Path:
        return self._root / f"{invocation.request_id}.json"
