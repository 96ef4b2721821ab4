"""Runs of very many files: what their driver holds in memory, and what a look at them costs, does not grow."""

import tracemalloc
import zipfile
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import IO, Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.model.jobs.exports import Entry, Kept, Progress
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs import export_steps, export_zip
from chalicelib.ops.jobs.drive import RESULTS, _write_lines
from chalicelib.stores.jobs import files
from tests.support.world import World

RUN = "00000000-0000-0000-0000-000000000001"
CLAIM = Claim(
    user_id="alice", task_id=1, kind="job", token="", attempt=1, item_id=None, run_id=RUN, input=None
)
ENTRY = Entry(
    **{"name": "", "size_bytes": 9, "sha256": "0" * 64, "compressed_bytes": 9, "crc": 1, "offset": 0},
    **{"method": 0, "flags": 0},
)


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
    sink = Sink()
    tracemalloc.start()
    try:
        _write_lines(CLAIM, RESULTS, files.list_page, db=world.db, blobs=sink)  # type: ignore[arg-type]
        return sink.size_bytes, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_file_of_results_is_written_page_by_page(world: World) -> None:
    written(world, 100)  # what is made once
    (_, few), (size_bytes, many) = (written(world, lines) for lines in (2_000, 10_000))
    assert size_bytes > 3_000_000
    assert many < 1.2 * few


class Shelf:
    """The bucket, as far as the end of an export needs it: it keeps the list of entries, and counts the zip's bytes."""

    def __init__(self, entries: int) -> None:
        lines = (
            msgspec.json.encode(replace(ENTRY, name=f"originals/{n:06}/photo.jpg")) for n in range(entries)
        )
        pages: dict[int, list[bytes]] = {}
        for number, line in enumerate(lines):
            pages.setdefault(number // 1000, []).append(line + b"\n")
        self._pages = {f"{page}.directory": b"".join(each) for page, each in pages.items()}
        self.kept = tuple(Kept(key=key, etag="e", size_bytes=len(body)) for key, body in self._pages.items())
        self.size_bytes = 0

    def get_range(self, key: str, start: int, size_bytes: int, *, etag: str) -> bytes:
        return self._pages[key][start : start + size_bytes]

    def put_part(self, key: str, multipart_id: str, number: int, body: bytes) -> str:
        self.size_bytes += len(body)
        return "etag"

    def complete_parts(self, key: str, multipart_id: str, etags: dict[int, str]) -> None: ...

    def size_of(self, key: str) -> tuple[int, str]:
        return self.size_bytes, "etag"


def ended(entries: int) -> tuple[int, int]:
    """Return the bytes that the end of an export of so many entries writes, and the most that it held at once."""
    shelf = Shelf(entries)
    progress = msgspec.to_builtins(Progress(phase="end", directory=shelf.kept))
    run: Any = SimpleNamespace(
        **{"id": RUN, "progress": progress, "multipart_key": "k", "multipart_id": "m"},
        **{"created_at": datetime(2026, 1, 1, tzinfo=UTC), "done": entries, "failed": 0},
    )
    tracemalloc.start()
    try:
        size_bytes = export_steps._finish(CLAIM, run, blobs=shelf)  # type: ignore[arg-type]
        return size_bytes, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_end_of_an_export_holds_a_part_of_its_list_whatever_its_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export_zip, "PART_BYTES", 65_536)
    ended(1_000)  # what is made once
    (few_bytes, few), (many_bytes, many) = ended(1_000), ended(6_000)
    assert many_bytes > 5 * few_bytes
    assert many < 1.3 * few, (few, many)


def piece(parts: int) -> tuple[int, int]:
    """Return how many parts of an export were sent, and the most that its writer held at once."""
    sent = 0

    def send(number: int, body: bytes) -> str:
        nonlocal sent
        sent = number
        return "etag"

    tracemalloc.start()
    try:
        stream = export_zip.PartStream(send, offset=0, parts=(), tail=b"")
        zip_piece = export_zip.ZipPiece(stream, at=datetime(2026, 1, 1, tzinfo=UTC))
        for number in range(parts * 4):
            body = bytes(export_zip.PART_BYTES // 4)
            zip_piece.add(f"{number}.jpg", [body], method=zipfile.ZIP_STORED)
        return sent, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_writer_of_an_export_holds_a_part_however_many_it_sends() -> None:
    piece(2)  # what is made once
    (few_parts, few), (many_parts, many) = piece(2), piece(12)
    assert (few_parts, many_parts) == (2, 12)
    assert many < 1.1 * few < 4 * export_zip.PART_BYTES


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
