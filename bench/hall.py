"""Workers of each queue as processes of their own, for benchmarks: runs are begun, and others upload a photo meanwhile.

The queues hand out messages as the fair queues of SQS do (local/queue_poller.py).
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import psutil

from bench.pipeline import photos
from chalicelib import wiring
from chalicelib.model.jobs.runs import ENDED, input_folder
from chalicelib.model.library.items import DERIVED_PREFIX
from chalicelib.model.work.tasks import QUEUES
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.jobs.runs import begin_run, read_run
from local.invocations import Outcome
from local.queue_poller import QueuePoller
from tests.chaos.crew import Worker, _line, crew
from tests.chaos.ground import Ground, ground
from tests.chaos.worker import AT_ONCE

PLACES = 2
A_USERS = PLACES // 2  # as a user has 10 of the 20 places of a stage's queue
RUN = "00000000-0000-4000-8000-{:012}"
MAKE_JOB = """
    INSERT INTO users (id) VALUES ('{user}') ON CONFLICT DO NOTHING;
    INSERT INTO jobs (user_id, id, name, description, kind, parameters)
    VALUES ('{user}', '{id}', 'a job', '', '{kind}', '{{}}')"""


class Hall:
    """The workers of each queue, and what they were given: `turns` has the user of each task, in order."""

    def __init__(self, ground: Ground, workers: Sequence[Worker[Any]]) -> None:
        self.ground = ground
        self.turns: dict[str, list[str]] = {name: [] for name in QUEUES}
        self.before: dict[str, list[int]] = defaultdict(
            list
        )  # a guest's tasks: alice's that began while each waited
        self._sent: dict[str, int] = {}
        self._lock = threading.Lock()
        self._idle: dict[str, SimpleQueue[Worker[Any]]] = {}
        left = list(workers)
        self.pids: dict[str, list[int]] = {}
        for name in QUEUES:
            self._idle[name] = SimpleQueue()
            for worker in (mine := [left.pop() for _ in range(PLACES)]):
                self._idle[name].put(worker)
            self.pids[name] = [worker.pid for worker in mine]
        self._other = left.pop()
        self.pollers = [self._poller(name) for name in QUEUES]

    def _poller(self, name: str) -> QueuePoller:
        work_queue = self.ground.queues[name]
        queue: Any = work_queue._queue
        add = queue.add_message

        def noted(message: Any) -> None:
            with self._lock:
                self._sent[message.body] = self.turns[name].count("alice")
            add(message)

        queue.add_message = noted
        mapping = SimpleNamespace(
            event_source_arn=name,
            function_arn=name,
            batch_size=1,
            enabled=True,
            function_response_types=None,
        )
        return QueuePoller(mapping, queue, places=PLACES, invoke=self._invoke)

    def _invoke(self, name: str, payload: bytes) -> Outcome:
        event = json.loads(payload)
        body = event["Records"][0]["body"]
        user = json.loads(body)["task"]["user_id"]
        with self._lock:
            self.turns[name].append(user)
            if user != "alice":
                self.before[user].append(self.turns[name].count("alice") - self._sent[body])
        worker = self._idle[name].get()
        try:
            error = call(worker, "work", event)
        finally:
            self._idle[name].put(worker)
        return Outcome(payload=b"null", failed=error is not None)

    def dispatch(self) -> None:
        """Hand out S3's events, and look each minute for what nobody has told of."""
        looked_at = 0.0
        while not self.ended:
            for event in self.ground.bus.take():
                if event["source"] == "aws.s3" and not is_derived(event):
                    call(self._other, "dispatch", event)
            if time.monotonic() - looked_at > 60:
                call(self._other, "relay", {})
                looked_at = time.monotonic()
            time.sleep(0.005)

    ended = False

    def everyone(self) -> list[int]:
        return [pid for pids in self.pids.values() for pid in pids]

    def cpu_s(self) -> float:
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.everyone())

    def forget_peaks(self) -> None:
        for pid in self.everyone():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peaks_mb(self) -> dict[str, float]:
        """Return the most memory of its own that a worker of each queue has held, in MB."""
        return {name: max(map(peak_mb, pids)) for name, pids in self.pids.items()}


def call(worker: Worker[Any], function: str, event: Any) -> str | None:
    worker.give(None, function, event)
    line = _line(worker.channel)
    error = json.loads(line)["error"] if line else "the worker is gone"
    if error:
        print(function, error, flush=True)
    return str(error) if error else None


def is_derived(event: Any) -> bool:
    """Return whether the dispatcher's rule leaves the object out (app.py)."""
    return bool(event["detail"]["object"]["key"].startswith(DERIVED_PREFIX))


def peak_mb(pid: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def start_run(
    hall: Hall, number: int, archive: bytes | None, *, user: str = "alice", kind: str = "ingest"
) -> str:
    run_id, job_id = RUN.format(number), RUN.format(number + 100)
    hall.ground.sql(MAKE_JOB.format(user=user, id=job_id, kind=kind))
    db, queues = wiring.pipeline_database(), wiring.queues()
    begin_run(user, run_id, job_id, max_cost_usd=None, expires_s=86_400, db=db, queues=queues)
    if archive is not None:
        hall.ground.put(object_key(user, input_folder(run_id), "given.zip").key, archive)
    return run_id


def wait_for(run_id: str, until: float, *, user: str = "alice") -> Any:
    while (run := read_run(user, run_id, db=wiring.pipeline_database())[0]).state not in ENDED:
        if time.monotonic() > until:
            return run
        time.sleep(0.2)
    return run


def visit(hall: Hall, guest: str) -> float:
    """Upload a photo as this guest; return the seconds until it is ready."""
    (_, body), *_ = photos(1)
    hall.ground.put(f"{guest}/photo.jpg", body + guest.encode())
    began = time.monotonic()
    ready = f"SELECT count(*) FROM items WHERE user_id = '{guest}' AND status = 'READY'"  # noqa: S608
    while hall.ground.sql(ready) == [(0,)] and time.monotonic() < began + 300:
        time.sleep(0.005)
    return time.monotonic() - began


@contextmanager
def hall() -> Iterator[Hall]:
    with ExitStack() as stack:
        ground_ = stack.enter_context(ground())
        os.environ |= ground_.environment
        wiring.forget_all()
        log = Path(ground_._state) / "crowd.log"
        workers = stack.enter_context(
            crew(
                len(QUEUES) * PLACES + 1, environment={**ground_.environment, AT_ONCE: str(A_USERS)}, log=log
            )
        )
        made = Hall(ground_, workers.workers)
        threading.Thread(target=made.dispatch, daemon=True).start()
        try:
            yield made
        finally:
            made.ended = True
            for poller in made.pollers:
                poller.stop()
            time.sleep(1)
