"""Measures the most that a worker holds while it exports accounts of more and more photos, and imports them again.

python -m bench.exports [PHOTOS | PHOTOSxMB ...]

MB is what each file has, as many bytes behind the photo's end. Workers are processes of their own (bench.hall). The
photos are copies of one, with an analysis, text and vectors each.
"""

import hashlib
import os
import sys
import time
from typing import Any

from bench.hall import Hall, hall, start_run, visit, wait_for
from bench.pipeline import photos
from chalicelib import wiring
from chalicelib.model.jobs.exports import EXPORT_FILE
from chalicelib.model.jobs.runs import file_key

GOAL_MEMORY = 1.15
# S3's events of this folder make no items, so that the copies need no work.
KEY = "_derived/{user}/bench/{number}.jpg"
COPY = """
    INSERT INTO items SELECT (jsonb_populate_record(i, to_jsonb(n))).* FROM items i, copies n
    WHERE i.user_id = '{user}' AND i.id = 'photo';
    INSERT INTO analyses OVERRIDING USER VALUE
    SELECT (jsonb_populate_record(a, jsonb_build_object('item_id', n.id))).*
    FROM analyses a, copies n WHERE a.user_id = '{user}' AND a.item_id = 'photo';
    INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)
    SELECT user_id, n.id, source, ordinal, page, char_start, char_end, text
    FROM chunks, copies n WHERE user_id = '{user}' AND item_id = 'photo';
    INSERT INTO vectors SELECT v.set_id, v.owner, c.id, v.vector
    FROM chunks p JOIN vectors v ON v.chunk_id = p.id
    JOIN chunks c ON c.user_id = p.user_id AND c.source = p.source AND c.ordinal = p.ordinal AND c.item_id <> p.item_id
    WHERE p.user_id = '{user}' AND p.item_id = 'photo'"""


def fill(place: Hall, user: str, count: int, size_mb: int) -> None:
    """Give the user so many photos, the first one by the pipeline."""
    visit(place, user)
    (_, body), *_ = photos(1)
    rows = []
    for number in range(1, count):
        key = KEY.format(user=user, number=number)
        file = body + b"%d" % number + os.urandom(size_mb * 1024**2)
        place.ground.put(key, file)
        rows.append((f"photo-{number}", key, hashlib.sha256(file).hexdigest()))
    place.ground.sql(
        "CREATE TEMP TABLE IF NOT EXISTS copies (id text, key text, sha256 text); DELETE FROM copies"
    )
    place.ground.insert("INSERT INTO copies VALUES %s", rows)
    place.ground.sql(COPY.format(user=user))


def measure(place: Hall, number: int, user: str, kind: str, body: bytes | None) -> tuple[Any, str, float]:
    """Run a job of this kind; return the run, its id, and the most that a worker of it has held, in MB."""
    place.forget_peaks()
    began = time.monotonic()
    run_id = start_run(place, number, body, user=user, kind=kind)
    run = wait_for(run_id, time.monotonic() + 1800, user=user)
    peak = place.peaks_mb()["run"]
    took_s = time.monotonic() - began
    said = f"{kind} of {run.total:,}: {run.state}, {run.done:,} done in {took_s:.0f} s, {peak:.1f} MB"
    print(said, flush=True)
    return run, run_id, peak


def main() -> int:
    wanted = sys.argv[1:] or ["100", "1000", "5000"]
    exports, imports = list[float](), list[float]()
    with hall() as place:
        for number, each in enumerate(wanted, start=1):
            user, other = f"owner-{each}", f"heir-{each}"
            count, _, size_mb = each.partition("x")
            fill(place, user, int(count), int(size_mb or 0))
            _, run_id, peak = measure(place, 2 * number, user, "export", None)
            exports.append(peak)
            body = wiring.blobs().get(file_key(user, run_id, EXPORT_FILE))
            print(f"the zip has {len(body):,} bytes")
            _, _, peak = measure(place, 2 * number + 1, other, "import", body)
            imports.append(peak)
    for name, peaks in (("export", exports), ("import", imports)):
        print(f"{name}: memory beside that of {wanted[0]}:", *(f"{peak / peaks[0]:.2f}" for peak in peaks))
    return int(max(exports) > GOAL_MEMORY * exports[0])


if __name__ == "__main__":
    sys.exit(main())
