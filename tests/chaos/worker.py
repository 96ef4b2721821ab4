"""Worker processes, made quickly: a nursery that has loaded everything and forks one for each socket it is sent.

A worker reads one JSON line an invocation, {"function", "event"}, calls that handler, and answers one line:
{"error": null or the exception's name and text}. It ends when the socket does.
"""

import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.ingest.files import DecodedFile
from chalicelib.model.work.pipeline import STATUS_DURING
from chalicelib.model.work.tasks import POLICIES
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.wiring import clients
from local.priority import Turns

RAISES = b"<poison: the reader raises>"
KILLS = b"<poison: the reader kills its process>"
REMAINING_S = 100.0
AT_ONCE = "AT_ONCE"  # the variable that says how many places of a stage's queue a user has; the engine's own without it


class PoisonedDecoder:
    """The decoder, with two faults in it that certain files bring out."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, path: str, announced: str | None, **bounds: Any) -> DecodedFile:
        body = Path(path).read_bytes()
        if RAISES in body:
            raise RuntimeError("a fault in our reader")
        if KILLS in body:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._decoder.decode(path, announced, **bounds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)


def invoke(turns: Turns, function: str, event: dict[str, Any]) -> None:
    if function == "relay":
        handlers.minute_passed()
    elif function == "sweep":
        handlers.five_minutes_passed(event)
    else:
        end_s = monotonic() + REMAINING_S
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: (end_s - monotonic()) * 1000)
        if function == "dispatch":
            handlers.event_received(event, context)
        else:
            turns.call(event, context)


def work(channel: socket.socket) -> None:
    decoder = PoisonedDecoder(wiring.decoder())
    wiring.decoder = lambda: decoder  # type: ignore[assignment]
    turns = Turns(handlers.tasks_woken)
    with channel.makefile("rw", encoding="utf-8") as lines:
        while line := lines.readline():
            error = None
            try:
                invoke(turns, **json.loads(line))
            except Exception as raised:  # noqa: BLE001  the driver judges it
                error = f"{type(raised).__name__}: {raised}"
            lines.write(json.dumps({"error": error}) + "\n")
            lines.flush()


def nurse(nursery: socket.socket) -> None:
    """Fork a worker for every socket that comes; answers its process id."""
    wiring.settings()
    if AT_ONCE in os.environ:
        for kind in STATUS_DURING:
            POLICIES[kind] = replace(POLICIES[kind], at_once=int(os.environ[AT_ONCE]))
    logging.getLogger("collections").setLevel(logging.WARNING)
    # Slow to make and without connections yet: every worker begins with them.
    _ = (
        wiring.blobs(),
        clients.events(),
        clients.sqs(),
        wiring.queues(),
        wiring.analyzer(),
        wiring.embedder(),
        wiring.pipeline_database(),
    )
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the workers
    while True:
        _, descriptors, _, _ = socket.recv_fds(nursery, 1, 1)
        if not descriptors:
            return
        pid = os.fork()
        if pid == 0:
            nursery.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            work(socket.socket(fileno=descriptors[0]))
            os._exit(0)
        os.close(descriptors[0])
        nursery.sendall(f"{pid}\n".encode())


if __name__ == "__main__":
    nurse(socket.socket(fileno=int(sys.argv[1])))
