"""Measures a run of very many files while others use the app: what its workers hold, and how long the others wait.

Workers are processes of their own, two for each queue and one for S3's events (bench.hall). Of a stage's two a user has
one at most, as 10 of 20 on AWS. First some guests upload a photo each while nothing else is at work. Then alice's run
of 100 photos, then her run of many: the most memory that a worker of each queue has held in each, and for guests that
come meanwhile how long they wait, and how many of alice's tasks began before each of their own.
"""

import argparse
import io
import statistics
import sys
import time
import zipfile
from typing import Any

from bench.hall import PLACES, Hall, hall, start_run, visit, wait_for
from bench.pipeline import photos
from chalicelib import wiring
from chalicelib.model.jobs.runs import ENDED
from chalicelib.model.work.tasks import QUEUES
from chalicelib.ops.jobs.runs import cancel_run, read_run

FEW, GUESTS = 100, 8
GOAL_TURNS = PLACES  # as many as have a worker already when a guest's task comes
GOAL_MEMORY, GOAL_WAIT = 1.05, 2.0
LINE_BYTES = 1000  # of an entry in the driver's list of the zip, which has 10,000 entries at most
# Of each user: the seconds in which no worker had its photo, and those in which one had.
WAITED_WORKED = """
    SELECT sum(s) FILTER (WHERE event = 'started')::float8, sum(s) FILTER (WHERE event = 'finished')::float8
    FROM (SELECT user_id, event, extract(epoch FROM at - lag(at) OVER (PARTITION BY user_id ORDER BY id)) AS s
          FROM item_events WHERE user_id LIKE '{}-%') e GROUP BY user_id"""


def archive_of(count: int, first: int) -> bytes:
    """Return a zip of photos, no two of the same bytes: behind each JPEG's end is its number."""
    (_, body), *_ = photos(1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(first, first + count):
            archive.writestr(f"photo-{number}.jpg", body + b"%d" % number)
    return out.getvalue()


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
        parts = {users: told(place, users) for users in ("idle", "guest")}
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
    print(f"its photo: {parts['guest']}; else {parts['idle']}")
    print(f"longest {max(crowd_s):.2f} and {max(idle_s):.2f} s")
    list_mb = LINE_BYTES * run.total / 1024**2
    bounds = {name: GOAL_MEMORY * few_mb[name] + (list_mb if name == "run" else 0.0) for name in QUEUES}
    is_flat = all(many_mb[name] <= bounds[name] for name in QUEUES)
    return int(not is_flat or max(turns) > GOAL_TURNS or crowd > GOAL_WAIT * idle)


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


def told(place: Hall, users: str) -> str:
    """Return how long photos of these users waited for workers and were worked on, at the median."""
    waited_s, worked_s = map(
        statistics.median, zip(*place.ground.sql(WAITED_WORKED.format(users)), strict=True)
    )
    return f"{waited_s:.3f} s between workers, {worked_s:.3f} s with them"


def shown(sizes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items())


if __name__ == "__main__":
    sys.exit(main())
