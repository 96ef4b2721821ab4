"""A long document in the middle of its reading: late workers, events again, other bytes, deletion, reprocessing."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.ops.ingest.manage import delete_item, reprocess_item
from chalicelib.stores.postgres.postgres import Database
from tests.support.long_pdf import make_long_pdf
from tests.support.racing import expire_leases
from tests.support.reading import ALICE_A, CHUNKS, TEXTS, Reader, in_one_go, put, read, state
from tests.support.world import World


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


@pytest.mark.parametrize("first", [1, 4, 19])
def test_a_worker_that_is_late_keeps_no_page(world: World, reader: Reader, first: int) -> None:
    put(world, TEXTS)
    reader.after = lambda page: page == first and expire_leases(world)
    read(world, reader)
    assert state(world) == ("running", 1, first - 1)
    assert world.sql(f"SELECT count(*) FROM chunks WHERE page >= {first}") == [(0,)]


def test_a_lost_acknowledgement_doubles_nothing(world: World, reader: Reader) -> None:
    class Twice(Database):
        def transact(self, user_id: str, work: Callable[..., Any], *, timeout_s: float | None = None) -> Any:
            super().transact(user_id, work, timeout_s=timeout_s)
            return super().transact(user_id, work, timeout_s=timeout_s)

    expected = in_one_go(world, reader)
    put(world, TEXTS)
    db = Twice(world.db._url, max_size=1)
    read(world, reader, db=db)
    db.close()
    assert state(world) == ("done", 1, 20)
    assert world.sql(CHUNKS) == expected


def test_old_and_repeated_events_in_the_middle_change_nothing(world: World, reader: Reader) -> None:
    expected = in_one_go(world, reader)
    world.messages()
    created = put(world, TEXTS)
    read(world, reader, left_s=4.0)
    (message,) = world.messages()
    world.run(message, created, message)
    assert world.sql(CHUNKS) == expected
    assert world.item("a")["status"] == "READY"
    assert world.sql("SELECT max(version) FROM analyses") == [(1,)]


@pytest.mark.parametrize("told", [True, False])
def test_other_bytes_in_the_middle_start_over(world: World, reader: Reader, told: bool) -> None:
    """Also when S3's event of them is still on its way."""
    put(world, TEXTS)
    read(world, reader, left_s=4.0)
    other = [f"Other {n}" for n in range(8)]
    if told:
        put(world, other)
    else:
        world.put("alice/a.pdf", make_long_pdf(other))
    reader.read.clear()
    read(world, reader)
    assert reader.read == [*range(1, 9)]
    assert state(world) == ("done", 1, 8)
    assert [row[4] for row in world.sql(CHUNKS)] == other


def test_deleted_in_the_middle_it_is_gone(world: World, reader: Reader) -> None:
    put(world, TEXTS)
    read(world, reader, left_s=4.0)
    reader.before = lambda page: delete_item(ALICE_A, db=world.db, blobs=wiring.blobs())
    read(world, reader)
    world.heal()
    counts = (
        "SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM chunks), (SELECT count(*) FROM postings)"
    )
    assert world.sql(counts) == [(0, 0, 0)]
    assert world.objects() == []


def test_reprocessed_it_is_never_of_two_readings(world: World, reader: Reader) -> None:
    world.ingest("alice/a.pdf", make_long_pdf(TEXTS))
    indexed = world.sql("SELECT term, tf FROM postings ORDER BY page_id, term")
    for _ in range(2):  # again in the middle of the first time
        old = {row[0] for row in world.sql("SELECT id FROM chunks")}
        reprocess_item(ALICE_A, db=world.db, queues=wiring.queues())
        reader.before = partial(_all_or_nothing, world, old)
        read(world, reader, left_s=4.0)
        found = {row[0] for row in world.sql("SELECT id FROM chunks")}
        assert found and not found & old
        assert world.sql("SELECT count(*) FROM postings") == [(0,)]
    world.run()
    assert world.item("a")["status"] == "READY"
    assert world.sql("SELECT term, tf FROM postings ORDER BY page_id, term") == indexed


def _all_or_nothing(world: World, old: set[int], page: int) -> None:
    there = {row[0] for row in world.sql("SELECT id FROM chunks")}
    assert there == old if page == 1 else not there & old
