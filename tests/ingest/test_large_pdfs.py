"""Long documents are read a batch at a time: whatever interrupts it, the text is the same and none is read twice."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chalicelib.errors import Unavailable
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.work.tasks import POLICIES
from tests.support.long_pdf import make_long_pdf
from tests.support.racing import expire_leases
from tests.support.reading import CHUNKS, TEXTS, Killed, Reader, forget, in_one_go, put, read, state
from tests.support.world import World

MAX_ATTEMPTS = POLICIES["process"].max_attempts


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


@pytest.mark.parametrize(("pages", "left_s"), [(1, 100.0), (7, 100.0), (1, 4.0), (7, 4.0), (19, 4.0)])
def test_the_chunks_are_the_same_in_however_many_batches(
    world: World, reader: Reader, pages: int, left_s: float
) -> None:
    expected = in_one_go(world, reader)
    put(world, TEXTS)
    batches = -(-20 // pages)
    for number in range(1, 1 if left_s == 100.0 else batches):
        read(world, reader, pages=pages, left_s=left_s)
        assert state(world) == ("ready", 0, number * pages)
        assert world.item("a")["status"] == "PROCESSING"
    read(world, reader, pages=pages, left_s=left_s)
    assert state(world) == ("done", 1, 20)
    assert reader.read == [*range(1, 21)]
    assert world.sql(CHUNKS) == expected


@pytest.mark.parametrize("left_s", [100.0, 4.0])
def test_the_bound_on_text_holds_over_all_batches(world: World, reader: Reader, left_s: float) -> None:
    in_one_go(world, reader)
    size = reader.size
    for most, code in ((size, None), (size - 1, "text_too_large")):
        put(world, TEXTS)
        while state(world)[0] == "ready":
            read(world, reader, left_s=left_s, limits=FileLimits(max_text_chars=most))
        assert world.item("a")["failure_code"] == code
        assert (world.sql(CHUNKS) == []) == (code is not None)
        assert world.item("a")["pages_read"] == (0 if code else 20)
        forget(world, reader)


@pytest.mark.parametrize("first", [1, 4, 10, 19])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_costs_the_batch_that_was_read(world: World, reader: Reader, first: int, moment: str) -> None:
    expected = in_one_go(world, reader)
    put(world, TEXTS)

    def kill(page: int) -> None:
        if page == first:
            raise Killed

    setattr(reader, moment, kill)
    with pytest.raises(Killed):
        read(world, reader)
    assert state(world) == ("running", 1, first - 1)
    expire_leases(world)
    setattr(reader, moment, lambda page: None)
    again = [*range(first, min(first + 3, 21))] if moment == "after" else []
    read(world, reader)
    assert sorted(reader.read) == sorted([*range(1, 21), *again])
    assert state(world) == ("done", 1 if first < 19 else 2, 20)
    assert world.sql(CHUNKS) == expected


def test_attempts_count_anew_behind_every_checkpoint(world: World, reader: Reader) -> None:
    """Ten batches, each of which fails five times before it succeeds."""
    expected = in_one_go(world, reader)
    put(world, TEXTS)
    failures = dict.fromkeys(range(1, 21), 5)

    def fail(page: int) -> None:
        failures[page] -= 1
        if failures[page] >= 0:
            raise Unavailable("in passing")

    reader.before = fail
    for _ in range(10 * 5 + 1):
        read(world, reader, pages=2)
    assert (world.item("a")["failure_code"], state(world)[0]) == (None, "done")
    assert world.sql(CHUNKS) == expected


@pytest.mark.parametrize("error", [Unavailable("always"), RuntimeError("always"), Killed()])
def test_a_page_that_always_fails_ends_the_document(
    world: World, reader: Reader, error: BaseException
) -> None:
    put(world, TEXTS)

    def fail(page: int) -> None:
        if page == 10:
            raise error

    reader.before = fail
    for attempt in range(1, MAX_ATTEMPTS + 1):
        with suppress(RuntimeError, Killed):
            read(world, reader)
        assert state(world)[1:] == (attempt, 9)
        expire_leases(world)
        world.sweep()
    assert reader.read == [*range(1, 10)]
    item = world.item("a")
    assert item["status"] == "FAILED"
    assert f"{MAX_ATTEMPTS} " in item["failure_message"]


def test_a_short_file_takes_one_child_and_one_transaction(world: World, reader: Reader) -> None:
    put(world, TEXTS)
    read(world, reader, pages=20)
    rows = "SELECT xmin FROM chunks UNION SELECT xmin FROM tasks WHERE stage = 'process'"
    assert len(world.sql(f"SELECT DISTINCT xmin::text FROM ({rows}) written")) == 1
    assert reader.read == [*range(1, 21)]


def test_2000_pages_go_through_functions_of_few_seconds(world: World) -> None:
    texts = [f"Page {n} tells of number {n}.\nIt has two lines." if n % 9 else "" for n in range(1, 2001)]
    kinds, checkpoints = [], []
    world.deliver(world.put("alice/a.pdf", make_long_pdf(texts)))
    while messages := world.messages():
        (message,) = messages
        kinds.append(json.loads(message["body"])["task"]["kind"])
        world.deliver(message, remaining_s=6.5 if kinds[-1] == "process" else 8.5)
        checkpoints.append(world.item("a")["pages_read"])
    assert world.item("a")["status"] == "READY"
    batches = checkpoints[: kinds.count("process")]
    assert batches == sorted({*batches}) and len(batches) >= 4 and batches[-1] == 2000
    assert world.sql("SELECT sum(attempt), bool_and(state = 'done') FROM tasks") == [(3, True)]
    found = world.sql("SELECT page, text FROM chunks WHERE source = 'text' ORDER BY ordinal")
    assert found == [(n, text) for n, text in enumerate(texts, start=1) if text]
    assert world.sql("SELECT count(*) FROM pages") == world.sql("SELECT count(DISTINCT page) FROM chunks")
    assert world.sql("SELECT count(*) FROM vectors") == world.sql("SELECT count(*) FROM chunks")
