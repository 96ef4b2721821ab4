"""Measures a run of very many files while others use the app: what its workers hold, and how long the others wait.

Workers are processes of their own, two for each queue and one for S3's events; the queues hand out messages as the fair
queues of SQS do (local/queue_poller.py). First some guests upload a photo each while nothing else is at work. Then
alice's run of 100 photos, then her run of many: the most memory that a worker of each queue has held in each,
and for guests that come meanwhile how long they wait, and how many of alice's tasks began before each of their own.
"""

import argparse
import io
import json
import os
import statistics
import sys
import threading
import time
import zipfile
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
from chalicelib.model.work.tasks import QUEUES
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.jobs.runs import begin_run, cancel_run, read_run
from local.invocations import Outcome
from local.queue_poller import QueuePoller
from tests.chaos.crew import Worker, _line, crew
from tests.chaos.ground import Ground, ground

FEW, GUESTS, PLACES = 100, 8, 2
GOAL_TURNS = PLACES  # as many as have a worker already when a guest's task comes
GOAL_MEMORY = 1.15
RUN = "00000000-0000-4000-8000-{:012}"
MAKE_JOB = """
    INSERT INTO users (id) VALUES ('alice') ON CONFLICT DO NOTHING;
    INSERT INTO jobs (user_id, id, name, description, kind, parameters)
    VALUES ('alice', '{}', 'crowd', '', 'ingest', '{{}}')"""


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
                if event["source"] == "aws.s3":
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


def peak_mb(pid: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def archive_of(count: int, first: int) -> bytes:
    """Return a zip of photos, no two of the same bytes: behind each JPEG's end is its number."""
    (_, body), *_ = photos(1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(first, first + count):
            archive.writestr(f"photo-{number}.jpg", body + b"%d" % number)
    return out.getvalue()


def start_run(hall: Hall, number: int, archive: bytes) -> str:
    run_id, job_id = RUN.format(number), RUN.format(number + 100)
    hall.ground.sql(MAKE_JOB.format(job_id))
    db, queues = wiring.pipeline_database(), wiring.queues()
    begin_run("alice", run_id, job_id, max_cost_usd=None, expires_s=86_400, db=db, queues=queues)
    hall.ground.put(object_key("alice", input_folder(run_id), "photos.zip").key, archive)
    return run_id


def wait_for(run_id: str, until: float) -> Any:
    while (run := read_run("alice", run_id, db=wiring.pipeline_database())[0]).state not in ENDED:
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
            crew(len(QUEUES) * PLACES + 1, environment=ground_.environment, log=log)
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="photos of the large run, at most 10,000")
    parser.add_argument("--minutes", type=float, default=25.0, help="after which the large run is cancelled")
    given = parser.parse_args()
    with hall() as place:
        visit(place, "warm")
        idle_s = [visit(place, f"idle-{number}") for number in range(GUESTS)]
        place.forget_peaks()
        few = wait_for(start_run(place, 1, archive_of(FEW, 0)), time.monotonic() + 600)
        few_mb = place.peaks_mb()
        print(f"{FEW} files: {few.state}, {few.done} done; peaks {shown(few_mb)}", flush=True)
        place.forget_peaks()
        began, cpu_s = time.monotonic(), place.cpu_s()
        run, crowd_s = watch(place, given.files, began + given.minutes * 60)
        took_s, cpu_s, many_mb = time.monotonic() - began, place.cpu_s() - cpu_s, place.peaks_mb()
    done = max(run.done, 1)
    print(f"{run.total:,} files: {run.state}, {run.done:,} done, {done / took_s:.1f} files/s,", end=" ")
    print(f"{cpu_s / done * 1000:.0f} CPU ms of workers a file; peaks {shown(many_mb)}")
    growth = {name: many_mb[name] / few_mb[name] for name in QUEUES}
    print(f"memory beside that of {FEW} files:", *(f"{name} {value:.2f}" for name, value in growth.items()))
    turns = [max(place.before[f"guest-{number}"]) for number in range(len(crowd_s))]
    print("alice's tasks that began while a guest's task waited, at most, by guest:", turns)
    idle, crowd = statistics.median(idle_s), statistics.median(crowd_s)
    print(f"a guest waits {crowd:.2f} s, and {idle:.2f} s when nothing else is at work: {crowd / idle:.2f} x")
    print(f"longest {max(crowd_s):.2f} and {max(idle_s):.2f} s")
    return int(max(growth.values()) > GOAL_MEMORY or max(turns) > GOAL_TURNS)


def watch(place: Hall, files: int, until: float) -> tuple[Any, list[float]]:
    """Run so many files, cancelled at `until`, with guests that come meanwhile; return the run, and their waits."""
    run_id, waits_s = start_run(place, 2, archive_of(files, FEW)), list[float]()
    db = wiring.pipeline_database()
    while (run := read_run("alice", run_id, db=db)[0]).state not in ENDED and time.monotonic() < until:
        ended = run.total - run.remaining
        if ended > files * (len(waits_s) + 1) / (GUESTS + 2) and len(waits_s) < GUESTS:
            waits_s.append(visit(place, f"guest-{len(waits_s)}"))
            said = f"{ended:,} of {run.total:,}: a guest waits {waits_s[-1]:.2f} s; {shown(place.peaks_mb())}"
            print(said, flush=True)
        time.sleep(0.2)
    if run.state not in ENDED:
        cancel_run("alice", run_id, db=db, queues=wiring.queues())
        run = wait_for(run_id, time.monotonic() + 60)
    return run, waits_s


def shown(sizes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items())


if __name__ == "__main__":
    sys.exit(main())
