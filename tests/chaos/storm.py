"""The chaos: uploads under kills, freezes, crashes of Postgres, and events that are lost, doubled and shuffled."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from tests.chaos.checks import all_about, timeline
from tests.chaos.crew import Crew, Worker
from tests.chaos.driver import STAGES, Driver, Job, key_of
from tests.chaos.ground import Event, Ground
from tests.chaos.journal import MOST_SWEEPS, Journal
from tests.chaos.uploads import Upload

WINDOW = 12  # the next event is any of so many that wait for the same function
QUEUED = 12  # the next upload comes when fewer wait
# Of 300 uploads. At least ten workers are killed at work and five frozen while they hold a claim.
KILLS, FREEZES, CRASHES = 12, 6, 2
INVOCATIONS_AN_UPLOAD = 5  # at least; the disturbances are spread over as many
LONGEST_WAIT_S = 0.04  # from a disturbance's turn to itself: an invocation takes about as long
FROZEN_MIN = (3, 7)  # a lease is 2.5 minutes
AWAY_FOR = 12  # invocations are tried while Postgres is away
MINUTES_TO_HEAL = 60
MINUTES_TO_TIDY = 15  # what a late worker may have written to S3 is deleted two leases later

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    worker: Worker[Job]
    until_minute: int
    held: tuple[str, str] | None  # user and item, when it held their claim


class Storm(Driver):
    """`done` counts the disturbances, `healed` what each sweep did: (sweep, what) -> items."""

    def __init__(
        self, ground: Ground, crew: Crew[Job], *, uploads: Sequence[Upload], rng: random.Random, say: Say
    ) -> None:
        super().__init__(ground, crew, rng=rng, window=WINDOW, copies=self.draw_copies)
        self._say = say
        self.size = len(uploads)
        self._coming = list(uploads)
        self.journal = Journal(uploads)
        self._plan = self._make_plan()
        self._due: tuple[float, str] | None = None
        self._frozen: Frozen | None = None
        self._killed: set[int] = set()
        self._outages: list[list[float]] = []
        self._last_event_id = 0
        self._last_upload_at: int | None = None
        self.done: Counter[str] = Counter()
        self.healed: Counter[tuple[int, str]] = Counter()
        self.ready: set[str] = set()

    def run(self) -> None:
        while self._coming or not self._is_over():
            self._upload()
            self._disturb()
            self.step(timeout_s=0.005 if self._due else 0.05)
        for _ in range(MINUTES_TO_TIDY):
            self.pass_a_minute()
            while self.has_work():
                self.give()
                self.listen(timeout_s=0.05)

    def heard(self, event: Event) -> None:
        if event["detail-type"] == "ItemReady":
            self.ready.add(key_of(event))

    def dropped(self, key: str, *, is_event: bool) -> None:
        self.done["events dropped" if is_event else "messages dropped"] += 1
        self.journal.disturbed(key, self.sweeps)
        if is_event:
            self.journal.lost_keys.add(key)

    def before_sweep(self) -> None:
        self._look()
        for key in self.journal.find_late(self.sweeps, self._under_way()):
            self.complaints.append(
                f"{key} is not over after {MOST_SWEEPS} sweeps: {timeline(self.ground, key)}"
            )

    def ended(self, worker: Worker[Job], job: Job, error: str | None, died: bool) -> None:
        if job.key is not None and (error or died):
            self.journal.disturbed(job.key, self.sweeps)
        was_away = any(start <= time.time() and worker.given_at <= end for start, end in self._outages)
        excused = worker.pid in self._killed if died else was_away and (error or "").startswith("Unavailable")
        if not excused:
            super().ended(worker, job, error, died)
        elif error:
            self.done["invocations that failed without Postgres"] += 1

    def pass_a_minute(self) -> None:
        if self._frozen is not None:
            self.ground.time_out_sessions(self._frozen.worker.pid)
        super().pass_a_minute()
        if self._frozen is not None and self.minutes >= self._frozen.until_minute:
            self._thaw(self._frozen)
        self._look()
        if self.minutes % 5 == 0:
            open_ = self.size - len(self._coming)
            self._say(
                f"minute {self.minutes}: {open_} uploads, {self.finished} invocations, {dict(self.done)}"
            )

    def _make_plan(self) -> list[tuple[int, str]]:
        """(number of an invocation, disturbance), soonest last."""
        scale, last = self.size / 300, INVOCATIONS_AN_UPLOAD * self.size
        kinds = ["kill"] * round(KILLS * scale) + ["freeze"] * round(FREEZES * scale)
        plan = [(self.rng.randrange(last // 40, last), kind) for kind in kinds]
        plan += [(last * (n + 1) // (CRASHES + 1), "crash") for n in range(CRASHES)]
        return sorted(plan, reverse=True)

    def _plan_another(self, kind: str) -> None:
        self._plan.append((self.finished + self.rng.randint(5, 25), kind))
        self._plan.sort(reverse=True)

    def _upload(self) -> None:
        while self._coming and self.waiting < QUEUED:
            upload = self._coming.pop(0)
            self.journal.put(upload.key, self.sweeps)
            self.ground.put(upload.key, upload.body)
            self.hear()

    def _disturb(self) -> None:
        if self._due is None and self._plan and self._plan[-1][0] <= self.finished:
            _, kind = self._plan.pop()
            self._due = (time.monotonic() + self.rng.uniform(0, LONGEST_WAIT_S), kind)
        at_work = self.crew.unanswered()
        if self._due is None or time.monotonic() < self._due[0] or not at_work:
            return
        kind = self._due[1]
        holders = [worker for worker in at_work if self._held_by(worker)] if kind == "freeze" else []
        if kind == "freeze" and not holders and not self._frozen:
            return  # it waits for a worker that holds a claim
        self._due = None
        if kind == "crash":
            self._crash()
        elif kind == "kill":
            self._kill(self.rng.choice(at_work))
        elif self._frozen:
            self._plan_another("freeze")
        else:
            self._freeze(self.rng.choice(holders))

    def _kill(self, worker: Worker[Job]) -> None:
        self._killed.add(worker.pid)
        worker.kill()
        self.done["workers killed"] += 1

    def _freeze(self, worker: Worker[Job]) -> None:
        """If it turns out to have ended its work just before, there will be another freeze."""
        worker.freeze()
        time.sleep(0.02)  # the server ends the statement it was given
        self.ground.time_out_sessions(worker.pid)
        held = self._held_by(worker)
        until = self.minutes + (self.rng.randint(*FROZEN_MIN) if held else 1)
        self._frozen = Frozen(worker=worker, until_minute=until, held=held)
        self.done["workers frozen"] += 1
        self.done["of them holding a claim"] += held is not None
        if held is None:
            self._plan_another("freeze")
        if worker.job and worker.job.key:
            self.journal.disturbed(worker.job.key, self.sweeps)

    def _held_by(self, worker: Worker[Job]) -> tuple[str, str] | None:
        """Return the item whose claim this worker surely holds."""
        job = worker.job
        if job is None or job.key is None:
            return None
        others = [other.job for other in self.crew.busy() if other.job and other is not worker]
        if any(self.journal.same_piece(job.key, other.key) for other in others):
            return None
        held = self.ground.sql(
            "SELECT t.user_id, t.item_id FROM tasks t JOIN uploads u USING (user_id, item_id)"
            f" WHERE u.key = '{job.key}' AND t.stage = '{job.function}' AND t.state = 'running'"
            f" AND t.claimed_at >= to_timestamp({worker.given_at})"
        )
        return held[0] if held else None

    def _thaw(self, frozen: Frozen) -> None:
        """Continue it; the others rest meanwhile, so whatever changes about its item is its doing."""
        before = all_about(self.ground, frozen.held)
        self._frozen = None
        frozen.worker.thaw()
        self.settle()
        if all_about(self.ground, frozen.held) != before:
            self.complaints.append(f"a worker continued after its lease wrote something about {frozen.held}")

    def _under_way(self) -> set[str]:
        """Uploads that wait to be dispatched, for a place in the queue, or in the queue."""
        waiting = self.ground.sql(
            "SELECT i.key FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id"
            " WHERE t.state = 'ready' AND t.woken_at IS NULL"
        )
        queued = (message for stage in STAGES for message in self.ground.queues[stage].all())
        keys = {self.key_of_task(json.loads(message.body)["task"]["task_id"]) for message in queued}
        return (
            {key for (key,) in waiting}
            | {job.key for job in self._events if job.key}
            | {key for key in keys if key}
        )

    def _crash(self) -> None:
        outage = [time.time(), inf]
        self._outages.append(outage)
        self.ground.crash_postgres()
        until = self.finished + AWAY_FOR
        while self.finished < until:
            self._upload()
            self.give()
            self.listen(timeout_s=0.05)
        self.ground.start_postgres()
        outage[1] = time.time()
        self.done["Postgres stopped"] += 1

    def _look(self) -> None:
        """Note what has ended since the last call, and what a sweep has done."""
        ended = self.ground.sql(
            "SELECT u.key FROM uploads u JOIN items i ON i.user_id = u.user_id AND i.id = u.item_id"
            " WHERE i.status IN ('READY', 'FAILED')"
        )
        self.journal.note_ended({key for (key,) in ended}, self.sweeps)
        found = self.ground.sql(
            "SELECT id, event, message FROM item_events WHERE event IN ('woken again', 'lease expired', 'received')"
            f" AND id > {self._last_event_id} ORDER BY id"
        )
        for number, event, key in found:
            self._last_event_id = number
            if event != "received" or key in self.journal.lost_keys:
                self.healed[self.sweeps, "object found" if event == "received" else event] += 1

    def _is_over(self) -> bool:
        """Return whether everything has ended and was delivered, or has had more than enough time to."""
        if self._last_upload_at is None:
            self._last_upload_at = self.minutes
        if self.minutes > self._last_upload_at + MINUTES_TO_HEAL:
            return True
        at_work = any(worker.job and worker.job.key for worker in self.crew.workers)
        return self.journal.is_over and not (self._frozen or self.waiting or at_work)
