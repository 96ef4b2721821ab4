"""Delivers events to the workers, as often and in the order it is told, while minutes pass.

As on AWS each function has a queue of its own, and a long one does not hold up the others.

The clock is logical: a minute passes after so many invocations, or when there is nothing to do. Then
the relay runs, and every fifth time the sweeper: as invocations like any other.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.model.library.items import DERIVED_PREFIX
from tests.chaos.crew import Crew, Worker
from tests.chaos.ground import Event, Ground

STAGES = {
    "Object Created": "process",
    "ImageProcessed": "analyze",
    "DocumentProcessed": "analyze",
    "AnalysisComplete": "embed",
}
SWEEP_EVERY_MIN = 5
ANSWERS_IN_S = 120
DROPPED = 0.1
MOST_COPIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One invocation; `key` is that of the upload it is about, None for relay and sweep."""

    function: str
    event: Event
    key: str | None


def key_of(event: Event) -> str:
    detail: dict[str, Any] = event["detail"]
    return str(detail["object"]["key"] if "object" in detail else detail["original_key"])


class Driver:
    """`copies` says how often an event is delivered, 0 being never; the next is any of a queue's first `window`."""

    def __init__(
        self,
        ground: Ground,
        crew: Crew[Job],
        *,
        rng: random.Random,
        copies: Callable[[], int] | None = None,
        window: int = 1,
        per_minute: int = 40,
    ) -> None:
        self.ground = ground
        self.crew = crew
        self.rng = rng
        self._copies = copies or (lambda: 1)
        self._window = window
        self._per_minute = per_minute
        self._queues: dict[str, list[Job]] = {stage: [] for stage in STAGES.values()}
        self._ticks: list[Job] = []
        self.stands_still = False  # no function is given anything, but relay and sweep
        self.finished = self.minutes = self.sweeps = 0
        self._finished_then = 0
        self.complaints: list[str] = []

    def draw_copies(self) -> int:
        """Lose a tenth of the events, and repeat the others up to three times."""
        return 0 if self.rng.random() < DROPPED else self.rng.randint(1, MOST_COPIES)

    # What a scenario adds.
    def heard(self, event: Event) -> None:
        """An event has come, before it is queued."""

    def dropped(self, event: Event) -> None:
        """It will never be delivered."""

    def before_sweep(self) -> None:
        """No worker is at work, but for frozen ones."""

    def ended(self, worker: Worker[Job], job: Job, error: str | None, died: bool) -> None:
        if error or died:
            self.complaints.append(f"{job.function} of {job.key}: {error or 'the worker died'}")

    def step(self, *, timeout_s: float = 0.05) -> None:
        """Give work to who is idle, hear the answers, let a minute pass when it is over."""
        self.give()
        self.listen(timeout_s=timeout_s)
        if not self.has_work() or self.finished - self._finished_then >= self._per_minute:
            self.pass_a_minute()

    @property
    def waiting(self) -> int:
        """Deliveries that no worker has been given."""
        return sum(map(len, self._queues.values()))

    def has_work(self) -> bool:
        return bool((self.waiting and not self.stands_still) or self._ticks or self.crew.busy())

    def give(self) -> None:
        for worker in self.crew.idle():
            if (job := self._next()) is None:
                return
            worker.give(job, job.function, job.event)

    def _next(self) -> Job | None:
        if self._ticks:
            return self._ticks.pop(0)
        queues = [queue for queue in self._queues.values() if queue]
        if not queues or self.stands_still:
            return None
        queue = self.rng.choice(queues)
        return queue.pop(self.rng.randrange(min(self._window, len(queue))))

    def listen(self, *, timeout_s: float) -> None:
        for worker, error, died in self.crew.wait(timeout_s):
            job, worker.job = worker.job, None
            if job is not None:
                self.finished += 1
                self.sweeps += job.function == "sweep" and not (error or died or worker.was_frozen)
                self.ended(worker, job, error, died)
            elif died:
                self.ended(worker, Job(function="nothing", event={}, key=None), None, True)
        self.hear()

    def hear(self) -> None:
        """Queue the events that have come."""
        for event in self.ground.bus.take():
            self._queue(event)

    def settle(self) -> None:
        """Wait for all who are at work and not frozen."""
        give_up_at = time.monotonic() + ANSWERS_IN_S
        while busy := self.crew.busy():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"no answer to {[worker.job for worker in busy]}")
            self.listen(timeout_s=0.05)

    def pass_a_minute(self) -> None:
        self.settle()
        self.ground.pass_a_minute()
        self.minutes += 1
        self._finished_then = self.finished
        tick = {"time": datetime.now(UTC).isoformat()}
        self._ticks.append(Job(function="relay", event=tick, key=None))
        if self.minutes % SWEEP_EVERY_MIN == 0:
            self.before_sweep()
            self._ticks.append(Job(function="sweep", event=tick, key=None))

    def _queue(self, event: Event) -> None:
        function = event["detail-type"]
        if function not in (*STAGES, "ItemReady") or key_of(event).startswith(DERIVED_PREFIX):
            return
        self.heard(event)
        if function not in STAGES:
            return
        copies = self._copies()
        self._queues[STAGES[function]] += [Job(function=function, event=event, key=key_of(event))] * copies
        if not copies:
            self.dropped(event)
