"""Runs of very many files: what their driver holds in memory, and what a look at them costs, does not grow."""

import tracemalloc
from typing import IO

from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import RESULTS, _write_lines
from chalicelib.stores.jobs import files
from tests.support.world import World

RUN = "00000000-0000-0000-0000-000000000001"


class Sink:
    """The bucket, as far as a file is written to it: it counts the bytes, and keeps none."""

    size_bytes = 0

    def put(self, key: str, body: IO[bytes], *, content_type: str) -> str:
        self.size_bytes = sum(map(len, iter(lambda: body.read(65_536), b"")))
        return "etag"


def make_run(world: World, lines: str) -> None:
    """Insert a run with these lines, whose number is n."""
    world.sql(
        "DELETE FROM users; INSERT INTO users (id) VALUES ('alice');"
        f"INSERT INTO tasks (user_id, run_id, stage) VALUES ('alice', '{RUN}', 'job');"
        "INSERT INTO job_runs (user_id, run_id, kind, parameters, expires_at, progress)"
        f" VALUES ('alice', '{RUN}', 'ingest', '{{}}', now() + interval '1 day', '{{}}');"
        "INSERT INTO run_files (user_id, run_id, number, name, item_id, outcome, started_at)"
        f" SELECT 'alice', '{RUN}', n, repeat('x', 200) || n, {lines}"
    )


def written(world: World, lines: int) -> tuple[int, int]:
    """Return the bytes of the file of results of so many lines, and the most that its writer held at once."""
    make_run(world, f"n, 'done', now() FROM generate_series(1, {lines}) n")
    claim = Claim(
        user_id="alice", task_id=1, kind="job", token="", attempt=1, item_id=None, run_id=RUN, input=None
    )
    sink = Sink()
    tracemalloc.start()
    try:
        _write_lines(claim, RESULTS, files.list_page, db=world.db, blobs=sink)  # type: ignore[arg-type]
        return sink.size_bytes, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_file_of_results_is_written_page_by_page(world: World) -> None:
    written(world, 100)  # what is made once
    (_, few), (size_bytes, many) = (written(world, lines) for lines in (2_000, 10_000))
    assert size_bytes > 3_000_000
    assert many < 1.2 * few


def test_a_look_at_a_run_reads_the_files_at_work_and_not_those_that_wait(world: World) -> None:
    """An index has only the lines at work, 50 of 10,000 here. The planner uses it before any ANALYZE."""
    make_run(
        world,
        "CASE WHEN n <= 50 THEN n END, NULL, CASE WHEN n <= 50 THEN now() END FROM generate_series(1, 10000) n",
    )
    count = (
        f"SELECT count(*) FROM run_files WHERE user_id = 'alice' AND run_id = '{RUN}'"
        " AND outcome IS NULL AND started_at IS NOT NULL"
    )
    explained = world.sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {count}")
    assert "run_files_item" in str(explained), explained
