"""A long document is indexed a run of pages at a time: whatever interrupts it, the statistics are exact."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.embed import embed_item
from chalicelib.ops.ingest.manage import delete_item, reprocess_item
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.search import index
from tests.support.long_pdf import make_long_pdf
from tests.support.racing import expire_leases
from tests.support.reading import ALICE_A, TEXTS, Killed
from tests.support.world import World

INDEX = "SELECT p.number, t.term, t.tf, t.dl FROM pages p JOIN postings t ON t.page_id = p.id ORDER BY 1, 2"
COUNTED = "SELECT owner, term, count(*)::int FROM postings GROUP BY 1, 2 ORDER BY 1, 2"
COUNTS = "SELECT coalesce(sum(pages), 0), coalesce(sum(total_length), 0) FROM corpus_stats"  # no row: never indexed
LENGTHS = "SELECT (SELECT count(*) FROM pages), coalesce(sum(tf), 0) FROM postings"


@pytest.fixture
def runs(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A document that is analyzed and embedded, but not indexed; the runs of pages to index."""
    world.step(world.put("alice/a.pdf", make_long_pdf(TEXTS)))
    world.step()
    monkeypatch.setattr(index, "BATCH_CHARS", 1000)
    embed(world, clock(2))  # two looks at the only batch of texts
    found = world.db.transact("alice", lambda tx: index.list_batches(tx, ALICE_A))
    return [(batch.first, batch.last) for batch in found]


def clock(looks: int, then: Callable[[], object] = lambda: None) -> Callable[[], float]:
    """Shows enough time so many times; before every run of pages is one look."""
    left = iter([60.0] * looks)

    def time_left_s() -> float:
        shown = next(left, 0.0)
        if not shown:
            then()
        return shown

    return time_left_s


def embed(world: World, time_left_s: Callable[[], float], db: Database | None = None) -> None:
    def work(claim: Claim) -> Any:
        return embed_item(claim, db=db or world.db, embedder=wiring.embedder(), time_left_s=time_left_s)

    world.do_stage("embed", ALICE_A, work)


def indexed(world: World) -> int:
    """Return the number of indexed pages, after checking the statistics."""
    assert world.sql("SELECT owner, term, n FROM term_df ORDER BY 1, 2") == world.sql(COUNTED)
    assert world.sql(COUNTS) == world.sql(LENGTHS)
    return len(world.sql("SELECT number FROM pages"))


def in_one_go(world: World) -> list[Any]:
    """Return the index of the document, which is taken out of it again."""
    world.db.transact("alice", lambda tx: index.add_item(tx, ALICE_A))
    found = world.sql(INDEX)
    world.db.transact("alice", lambda tx: index.remove_item(tx, ALICE_A))
    return found


def task(world: World) -> tuple[str, int]:
    (found,) = world.sql("SELECT state, attempt FROM tasks WHERE stage = 'embed'")
    return found  # type: ignore[return-value]


def test_time_that_runs_out_is_taken_up_at_the_next_run(world: World, runs: list[tuple[int, int]]) -> None:
    assert len(runs) == 7 and indexed(world) == 0
    expected = in_one_go(world)
    before = len(world.providers.embedded)
    counts = [0]
    while task(world)[0] == "ready":
        embed(world, clock(1))
        counts.append(indexed(world))
    assert counts == sorted(set(counts)) and len(counts) >= len(runs) - 1
    assert (task(world), counts[-1], world.sql(INDEX)) == (("done", 1), 16, expected)
    assert world.item("a")["status"] == "READY"
    assert len(world.providers.embedded) == before


@pytest.mark.parametrize("after", range(6))
def test_a_crash_costs_no_run_that_is_kept(world: World, runs: list[tuple[int, int]], after: int) -> None:
    def kill() -> None:
        raise Killed

    expected = in_one_go(world)
    for attempt in (1, 2):
        with pytest.raises(Killed):
            embed(world, clock(after if attempt == 1 else 0, kill))
        assert task(world) == ("running", attempt)
        assert indexed(world) == len(
            [n for n in {row[0] for row in expected} if after and n <= runs[after - 1][1]]
        )
        expire_leases(world)
    embed(world, clock(7))
    assert (indexed(world), world.sql(INDEX)) == (16, expected)


def test_attempts_count_anew_behind_every_run(world: World, runs: list[tuple[int, int]]) -> None:
    world.sql("UPDATE tasks SET attempt = 7 WHERE stage = 'embed'")
    with pytest.raises(ZeroDivisionError):
        embed(world, clock(1, lambda: 1 / 0))
    assert task(world) == ("ready", 1)
    assert world.item("a")["status"] == "EMBEDDING"


def test_a_worker_that_is_late_indexes_nothing(world: World, runs: list[tuple[int, int]]) -> None:
    def late() -> float:
        expire_leases(world)
        return 60.0

    embed(world, late)
    assert indexed(world) == 0
    assert task(world)[0] == "running"


def test_a_lost_acknowledgement_counts_nothing_twice(world: World, runs: list[tuple[int, int]]) -> None:
    class Twice(Database):
        def transact(self, user_id: str, work: Callable[..., Any], *, timeout_s: float | None = None) -> Any:
            super().transact(user_id, work, timeout_s=timeout_s)
            return super().transact(user_id, work, timeout_s=timeout_s)

    expected = in_one_go(world)
    db = Twice(world.db._url, max_size=1)
    embed(world, clock(10), db)
    db.close()
    assert (indexed(world), world.sql(INDEX)) == (16, expected)


@pytest.mark.parametrize("end", ["deleted", "reprocessed", "overwritten"])
def test_whatever_becomes_of_it_in_the_middle_the_statistics_are_exact(
    world: World, runs: list[tuple[int, int]], end: str
) -> None:
    embed(world, clock(3))
    if end == "deleted":
        delete_item(ALICE_A, db=world.db, blobs=wiring.blobs())
    elif end == "overwritten":
        world.ingest("alice/a.pdf", make_long_pdf(TEXTS[:6]))
    else:
        reprocess_item(ALICE_A, db=world.db, queues=wiring.queues())
        world.run()
    assert indexed(world) == {"deleted": 0, "reprocessed": 16, "overwritten": 5}[end]
