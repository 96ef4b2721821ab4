"""Delivers events and messages to the workers, as often and in the order it is told, while minutes pass.

As on AWS each function has a queue of its own, and a long one does not hold up the others. A message stays in its
queue until its worker has succeeded, and comes again after the visibility timeout.

The clock is logical: a minute passes after so many invocations, or when there is nothing to do. Then
the relay runs, and every fifth time the sweeper: as invocations like any other.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2

from chalicelib.model.library.items import DERIVED_PREFIX
from tests.chaos.crew import Crew, Worker
from tests.chaos.ground import Event, Ground

STAGES = ("process", "analyze", "embed")
SWEEP_EVERY_MIN = 5
ANSWERS_IN_S = 120
DROPPED = 0.1
MOST_COPIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One invocation; `key` is that of the upload it is about, None for relay and sweep.

    `message` is the one to delete when a stage's worker succeeds, None for a second delivery of it.
    """

    function: str
    event: Event
    key: str | None
    message: Any = None


def key_of(event: Event) -> str:
    detail: dict[str, Any] = event["detail"]
    return str(detail["object"]["key"] if "object" in detail else detail["original_key"])


class Driver:
    """`copies` says how often an event or message is delivered, 0 being never.

    The next is any of a queue's first `window`.
    """

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
        self._events: list[Job] = []  # for the dispatcher
        self._copies_of: dict[str, list[Job]] = {stage: [] for stage in STAGES}  # second deliveries
        self._keys: dict[int, str] = {}  # of tasks
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
        """An event has come."""

    def dropped(self, key: str, *, is_event: bool) -> None:
        """S3's event of this object, or else a message for its item, will never be delivered."""

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
        messages = sum(len(self.ground.queues[stage].visible()) for stage in STAGES)
        return len(self._events) + sum(map(len, self._copies_of.values())) + messages

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
        if self.stands_still:
            return None
        choices = ["dispatch", *STAGES]
        self.rng.shuffle(choices)
        for function in choices:
            waiting = self._events if function == "dispatch" else self._copies_of[function]
            if waiting and (function == "dispatch" or self.rng.random() < 0.5):
                return waiting.pop(self.rng.randrange(min(self._window, len(waiting))))
            if function in STAGES and (job := self._receive(function)):
                return job
        return None

    def _receive(self, stage: str) -> Job | None:
        """Take any of the queue's first messages; one that is drawn to be lost is deleted."""
        queue = self.ground.queues[stage]
        while visible := queue.visible():
            message = self.rng.choice(visible[: self._window])
            key = self.key_of_task(json.loads(message.body)["task"]["task_id"])
            copies = self._copies()
            if not copies:
                queue.delete(message)
                if key is not None:
                    self.dropped(key, is_event=False)
                continue
            queue.receive(message)
            event = {"Records": [{"messageId": message.id, "body": message.body}]}
            self._copies_of[stage] += [Job(function=stage, event=event, key=key)] * (copies - 1)
            return Job(function=stage, event=event, key=key, message=message)
        return None

    def key_of_task(self, task_id: int) -> str | None:
        """The object key of the task's item; None when it has gone, or Postgres is away."""
        if task_id not in self._keys:
            try:
                found = self.ground.sql(
                    "SELECT i.key FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id"
                    f" WHERE t.id = {task_id}"
                )
            except psycopg2.Error:
                return None
            if found:
                self._keys[task_id] = found[0][0]
        return self._keys.get(task_id)

    def listen(self, *, timeout_s: float) -> None:
        for worker, error, died in self.crew.wait(timeout_s):
            job, worker.job = worker.job, None
            if job is not None:
                self.finished += 1
                if job.message is not None and not (error or died):
                    self.ground.queues[job.function].delete(job.message)
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
        if event["detail-type"] != "Object Created":
            self.heard(event)
            return
        if key_of(event).startswith(DERIVED_PREFIX):
            return
        copies = self._copies()
        self._events += [Job(function="dispatch", event=event, key=key_of(event))] * copies
        if not copies:
            self.dropped(key_of(event), is_event=True)
