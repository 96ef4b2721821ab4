"""Measures what a run of a job adds to the bare pipeline: the same number of photos in a zip, and one by one.

First the photos come one after the other through S3's events, then as many others as a zip through a run. Both are in
one process and one database, and the workers take one message after the other, so that their ratio says what the run
costs: reading the zip, copying its files, the driver's looks, the file of results. CPU is that of the workers and of
Postgres; the emulated AWS, the providers' stand-ins and the decoder are not in it.

Then the driver alone reads the list of a zip of 100 files, and of one of as many as a run takes: the most memory that
it held.
"""

import argparse
import io
import logging
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chalice.test import Client

import app
from bench.figures import note
from bench.pipeline import Server, Statements, photos, pipeline
from chalicelib.events import handlers
from chalicelib.model.jobs.archives import MAX_ENTRIES
from tests.support.library_api import Api
from tests.support.running import Runner
from tests.support.world import World

Photos = Sequence[tuple[str, bytes]]


class Meter:
    """Counts what files cost: CPU and elapsed seconds, and transactions, since it was made."""

    def __init__(self, world: World, server: Server, statements: Statements) -> None:
        self._world, self._server, self._statements = world, server, statements
        self.worker_s = 0.0
        self._began = time.monotonic(), server.seconds(), statements.counted["COMMIT"]

    def deliver(self, messages: Sequence[dict[str, Any]]) -> None:
        for message in messages:
            began = time.thread_time()
            self._world.deliver(message)
            self.worker_s += time.thread_time() - began

    def report(self, title: str, files: int) -> tuple[float, float]:
        """Print the figures of a file; return files/s, and files a second of CPU."""
        elapsed_s = time.monotonic() - self._began[0]
        cpu_s = self.worker_s + self._server.seconds() - self._began[1]
        commits = self._statements.counted["COMMIT"] - self._began[2]
        print(
            f"{title}: {files} files, {files / elapsed_s:.2f} files/s, {cpu_s * 1000 / files:.1f} CPU ms and"
            f" {commits / files:.1f} transactions a file",
            flush=True,
        )
        return files / elapsed_s, files / cpu_s


def run_barely(world: World, meter: Meter, files: Photos) -> None:
    """Take the photos through the pipeline as objects that were put into the bucket."""
    for name, body in files:
        waiting = [world.put(f"alice/{name}", body)]
        while waiting:
            meter.deliver(waiting)
            waiting = world.messages()


def run_job(runner: Runner, meter: Meter, archive: bytes) -> dict[str, Any]:
    """Take the zip through a run; return it. Nobody waits for the driver's next look."""
    run_id = runner.begin()
    meter.deliver([runner.send(run_id, archive, filename="photos.zip")])
    while runner.run(run_id)["finished_at"] is None:
        meter.deliver(runner.world.messages())
        runner.world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job' AND state = 'ready'"
        )
        handlers.minute_passed()
    return runner.run(run_id)


def driver_bytes(runner: Runner, files: int) -> int:
    """Return the most bytes that a driver held while it read the list of so many files and began the first."""
    (_, body), *_ = photos(1)
    run_id = runner.begin()
    runner.world.deliver(
        runner.send(run_id, zipped([(f"{n}.jpg", body) for n in range(files)]), filename="n.zip")
    )
    (message,) = [each for each in runner.world.messages() if '"job"' in each["body"]]
    tracemalloc.start()
    runner.world.deliver(message)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert runner.run(run_id)["counts"]["total"] == files
    runner("POST", f"/api/v1/runs/{run_id}/cancel")
    runner.world.run()
    return most


def zipped(files: Photos) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files:
            archive.writestr(name, body)
    return out.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    parser.add_argument("--files", type=int, default=60, help=f"photos of each kind, at most {MAX_ENTRIES}")
    count = parser.parse_args().files
    with pipeline() as world, TemporaryDirectory() as folder:
        logging.disable(logging.INFO)
        runner = Runner(world=world, api=Api(Client(app.app, project_dir=str(Path(folder)))))
        made = photos(2 * count + 5)
        world.run(*[world.put(f"alice/warm-{name}", body) for name, body in made[:5]])
        server, statements = Server(world), Statements()
        meter = Meter(world, server, statements)
        run_barely(world, meter, made[5 : count + 5])
        bare = meter.report("one by one", count)
        meter = Meter(world, server, statements)
        ended = run_job(runner, meter, zipped(made[count + 5 :]))
        job = meter.report("as a run", count)
        assert ended["counts"]["done"] == count, ended
        print(f"a run's speed: {job[0] / bare[0]:.2f} of one by one, by CPU {job[1] / bare[1]:.2f}")
        few, many = driver_bytes(runner, 100), driver_bytes(runner, MAX_ENTRIES)
        print(f"its driver held {few / 1e6:.1f} MB for 100 files, {many / 1e6:.1f} MB for {MAX_ENTRIES:,}")
    return 0 if note("jobs.speed", job[1] / bare[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
