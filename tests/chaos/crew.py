"""The worker processes as the driver sees them: given work, killed, frozen, continued."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from local.children import REPOSITORY, module_command, open_log

Job = TypeVar("Job")


@dataclass(eq=False)
class Worker(Generic[Job]):
    """`job` is what it was given and has not answered."""

    pid: int
    channel: socket.socket
    job: Job | None = None
    given_at: float = 0.0
    is_frozen: bool = False
    was_frozen: bool = False  # since it was given its job
    is_killed: bool = False

    def give(self, job: Job, function: str, event: Mapping[str, Any]) -> None:
        self.job = job
        self.given_at = time.time()
        self.was_frozen = False
        self.channel.sendall(json.dumps({"function": function, "event": event}).encode() + b"\n")

    def kill(self) -> None:
        """Kill the worker, which may have answered just before."""
        self.is_killed = True
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.is_frozen = self.was_frozen = True

    def thaw(self) -> None:
        self.is_frozen = False
        os.kill(self.pid, signal.SIGCONT)


class Crew(Generic[Job]):
    def __init__(self, nursery: socket.socket, size: int) -> None:
        self._nursery = nursery
        self.workers: list[Worker[Job]] = [self._start() for _ in range(size)]

    def idle(self) -> list[Worker[Job]]:
        return [w for w in self.workers if w.job is None and not w.is_frozen and not w.is_killed]

    def busy(self) -> list[Worker[Job]]:
        """At work and not frozen."""
        return [worker for worker in self.workers if worker.job is not None and not worker.is_frozen]

    def unanswered(self) -> list[Worker[Job]]:
        """At work at this very moment."""
        answered, _, _ = select.select([worker.channel for worker in self.busy()], [], [], 0)
        return [worker for worker in self.busy() if worker.channel not in answered]

    def wait(self, timeout_s: float) -> list[tuple[Worker[Job], str | None, bool]]:
        """Workers that have answered or died: (worker, its error, whether it died). The dead are replaced."""
        by_channel = {worker.channel: worker for worker in self.workers if not worker.is_frozen}
        ready, _, _ = select.select(list(by_channel), [], [], timeout_s)
        told = []
        for channel in ready:
            worker = by_channel[channel]
            line = _line(channel)
            if not line:
                channel.close()
                self.workers[self.workers.index(worker)] = self._start()
            told.append((worker, json.loads(line)["error"] if line else None, not line))
        return told

    def _start(self) -> Worker[Job]:
        ours, its = socket.socketpair()
        socket.send_fds(self._nursery, [b"."], [its.fileno()])
        its.close()
        return Worker(pid=int(_line(self._nursery)), channel=ours)


def _line(channel: socket.socket) -> bytes:
    """Return the next line, b"" at the end; the other side writes whole lines, one at a time."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            part = channel.recv(65536)
            if not part:
                return b""
            line += part
    except ConnectionResetError:
        return b""
    return line


@contextmanager
def crew(size: int, *, environment: Mapping[str, str], log: Path) -> Iterator[Crew[Any]]:
    """`size` workers under this environment; none is left behind."""
    ours, its = socket.socketpair()
    descriptor = open_log(log)
    nursery = subprocess.Popen(
        module_command("tests.chaos.worker", str(its.fileno())),
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=descriptor,
        stderr=descriptor,
        env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
    )
    os.close(descriptor)
    its.close()
    try:
        made: Crew[Any] = Crew(ours, size)
        try:
            yield made
        finally:
            for worker in made.workers:
                with suppress(ProcessLookupError):
                    worker.kill()
    finally:
        ours.close()
        nursery.wait(30)
