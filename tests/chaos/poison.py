"""Files that make their reader raise or die, among others, and how long the others take."""

import random
import time
from collections.abc import Sequence

from chalicelib.model.work.tasks import POLICIES
from tests.chaos.crew import Crew, Worker
from tests.chaos.driver import Driver, Job, key_of
from tests.chaos.ground import Event, Ground
from tests.chaos.uploads import USERS, Upload, make_jpeg
from tests.chaos.worker import KILLS, RAISES

MAX_ATTEMPTS = POLICIES["process"].max_attempts
INVOCATIONS_AN_UPLOAD = 5  # the next comes when so many are finished; a file takes four
MINUTES_TO_END = 200  # eight attempts, each taken back by a sweep and put off for up to five minutes
ERRORS = {RAISES: "internal_error", KILLS: "worker_lost"}


def make_poison(rng: random.Random, kind: bytes, count: int) -> list[Upload]:
    name = "raises" if kind == RAISES else "kills"
    return [
        Upload(key=f"alice/poison/{name} {number}.jpg", body=make_jpeg(rng) + kind, ends="FAILED")
        for number in range(count)
    ]


def make_healthy(rng: random.Random, folder: str, count: int) -> list[Upload]:
    keys = [f"{rng.choice(USERS)}/{folder}/{number}.jpg" for number in range(count)]
    return [Upload(key=key, body=make_jpeg(rng), ends="READY") for key in keys]


class Ward(Driver):
    """`delays` are those of the files that became READY: (invocations finished meanwhile, seconds)."""

    def __init__(
        self, ground: Ground, crew: Crew[Job], *, uploads: Sequence[Upload], rng: random.Random
    ) -> None:
        super().__init__(ground, crew, rng=rng)
        self._coming = list(uploads)
        self._poison = {
            upload.key: kind for upload in uploads for kind in (RAISES, KILLS) if upload.body.endswith(kind)
        }
        self._put_at: dict[str, tuple[int, float]] = {}
        self.delays: dict[str, tuple[int, float]] = {}

    def run(self) -> None:
        minutes_before = None
        while minutes_before is None or self.minutes < minutes_before + MINUTES_TO_END:
            self._upload()
            if not self._coming:
                minutes_before = minutes_before or self.minutes
                if not self.waiting and self._is_over():
                    return self.settle()
            self.step()

    def heard(self, event: Event) -> None:
        # An event may also be a late one, of the files before.
        if event["detail-type"] == "ItemReady" and key_of(event) in self._put_at:
            finished, seconds = self._put_at[key_of(event)]
            self.delays[key_of(event)] = (self.finished - finished, time.monotonic() - seconds)

    def ended(self, worker: Worker[Job], job: Job, error: str | None, died: bool) -> None:
        kind = self._poison.get(job.key or "")
        if not (died if kind == KILLS else kind == RAISES and (error or "").startswith("RuntimeError")):
            super().ended(worker, job, error, died)

    def p95(self) -> tuple[int, float]:
        """The 95th percentile over the files that became READY, in invocations and in seconds."""
        last = int(0.95 * len(self.delays))
        invocations, seconds = zip(*self.delays.values(), strict=True)
        return sorted(invocations)[last], sorted(seconds)[last]

    def find_wrong(self) -> list[str]:
        """Poison that did not end FAILED with its reason within the attempts there are."""
        rows = self.ground.sql(
            "SELECT i.key, i.status, i.failure_code, i.failure_message, count(e.id) FROM items i"
            " LEFT JOIN item_events e ON e.user_id = i.user_id AND e.item_id = i.id AND e.event = 'started'"
            " GROUP BY i.user_id, i.id"
        )
        wrong = []
        for key, status, code, message, attempts in rows:
            kind = self._poison.get(key)
            if kind is None and status == "READY":
                continue
            if (
                kind is None
                or code != ERRORS[kind]
                or status != "FAILED"
                or not message
                or attempts > MAX_ATTEMPTS
            ):
                wrong.append(f"{key} is {status} {code} after {attempts} attempts: {message}")
        missing = self._put_at.keys() - {key for key, *_ in rows}
        wrong += [f"{key} is no item" for key in missing]
        return wrong

    def _upload(self) -> None:
        enough = not self.waiting or self.finished >= INVOCATIONS_AN_UPLOAD * len(self._put_at)
        if self._coming and enough:
            upload = self._coming.pop(0)
            self._put_at[upload.key] = (self.finished, time.monotonic())
            self.ground.put(upload.key, upload.body)
            self.hear()

    def _is_over(self) -> bool:
        ((open_,),) = self.ground.sql(
            "SELECT (SELECT count(*) FROM tasks WHERE state IN ('ready', 'running'))"
            " + (SELECT count(*) FROM outbox WHERE published_at IS NULL)"
            # Planned for pictures of an attempt that was killed; the sweep does it when its time has come.
            " + (SELECT count(*) FROM object_deletions)"
        )
        return bool(open_ == 0)
