"""A worker as Lambda runs one: an event a line on standard input, how it was handled a line on standard output."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

ROOT = Path(__file__).parents[2]


class Worker:
    """A process that handles one event after the other."""

    def __init__(self, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.worker"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def handle(self, event: dict[str, Any], *, within_s: float = 300.0) -> float:
        """Return the seconds it took. AssertionError when the worker raised, died or was silent."""
        stdin, stdout = cast(Any, self.process.stdin), cast(Any, self.process.stdout)
        stdin.write(json.dumps(event).encode() + b"\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], within_s)
        line = stdout.readline() if ready else b""
        assert line, f"the worker died or hung over {event['detail']}"
        answer = json.loads(line)
        assert answer["error"] is None, f"{answer['error']} over {event['detail']}"
        return float(answer["took_s"])

    def peak_bytes(self) -> int:
        """Return the most memory the process itself ever had; its children do not count."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def close(self) -> None:
        """End it, also one that hangs."""
        cast(Any, self.process.stdin).close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        with self.process:
            pass  # closes the pipe and waits


@contextmanager
def workers(count: int, **variables: str) -> Iterator["list[Worker]"]:
    started = [Worker(**variables) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            worker.close()


def handle_all(started: list[Worker], events: list[dict[str, Any]]) -> list[float]:
    """Return the seconds each event took, the workers at it at the same time."""
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in started:
        free.put(worker)

    def handle(event: dict[str, Any]) -> float:
        worker = free.get()
        try:
            return worker.handle(event)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(len(started)) as threads:
        return list(threads.map(handle, events))


def main() -> None:
    from chalicelib.events import handlers
    from tests.support.world import context

    for line in sys.stdin:
        event, error, start = json.loads(line), None, time.monotonic()
        try:
            if "body" in event:
                handlers.tasks_woken({"Records": [event]}, context())
            else:
                handlers.event_received(event, context())
        except Exception as raised:  # noqa: BLE001  the test is told
            error = repr(raised)
        print(json.dumps({"took_s": time.monotonic() - start, "error": error}), flush=True)


if __name__ == "__main__":
    main()
