"""Workers that are late, and workers that meet."""

import threading
from collections.abc import Sequence

import psycopg2

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.embed import embed_item
from chalicelib.ops.ingest.manage import delete_item
from chalicelib.ops.work.stages import WriteResults
from chalicelib.stores.library import items
from chalicelib.stores.work import tasks
from tests.support.racing import at_once, expire_leases
from tests.support.world import World, jpeg

ALICE_A = ItemRef(user_id="alice", item_id="a")


def another_worker_takes_over(world: World) -> None:
    expire_leases(world)
    world.sweep()
    world.wait()


def test_a_worker_that_is_late_writes_nothing(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))

    def slow(claim: Claim) -> WriteResults:
        another_worker_takes_over(world)
        assert world.item("a")["status"] == "READY"
        return lambda tx: items.set_failed(tx, ALICE_A, code="late", message="The late worker wrote this.")

    before = len(world.published())
    world.do_stage("analyze", ALICE_A, slow)
    assert world.item("a")["status"] == "READY"
    # The other worker's AnalysisComplete and ItemReady; none of the late one's.
    assert len(world.published()) == before + 2


def test_a_late_worker_writes_nothing_under_a_newer_claim(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    newer: list[Claim | None] = []

    def slow(claim: Claim) -> WriteResults:
        expire_leases(world)
        task = world.task(ALICE_A, "analyze")
        newer.append(world.db.transact("alice", lambda tx: tasks.claim(tx, task)))
        return lambda tx: items.set_failed(tx, ALICE_A, code="late", message="The late worker wrote this.")

    world.do_stage("analyze", ALICE_A, slow)
    assert newer[0] is not None
    assert world.item("a")["status"] == "ANALYZING"
    assert world.sql("SELECT token::text FROM tasks WHERE stage = 'analyze'") == [(newer[0].token,)]


def test_a_worker_beyond_its_lease_writes_nothing_even_if_nobody_took_over(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))

    def slow(claim: Claim) -> WriteResults:
        expire_leases(world)
        return lambda tx: items.set_failed(tx, ALICE_A, code="late", message="The late worker wrote this.")

    world.do_stage("analyze", ALICE_A, slow)
    assert world.item("a")["status"] == "ANALYZING"


def test_a_late_embedder_keeps_no_vector(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.step()
    real = wiring.embedder()

    class Slow:
        model, dimensions, next, pictures = real.model, real.dimensions, None, None

        def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
            expire_leases(world)
            return real.embed(texts, timeout_s=timeout_s)

    def work(claim: Claim) -> WriteResults | None:
        return embed_item(claim, db=world.db, embedder=Slow(), time_left_s=lambda: 60)

    world.do_stage("embed", ALICE_A, work)
    assert world.sql("SELECT count(*) FROM vectors") == [(0,)]


def test_a_late_workers_failure_is_not_written_either(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))

    def slow(claim: Claim) -> WriteResults:
        another_worker_takes_over(world)
        raise Unavailable("too late")

    world.do_stage("analyze", ALICE_A, slow)
    assert world.sql("SELECT state FROM tasks WHERE stage = 'analyze'") == [("done",)]
    assert world.item("a")["status"] == "READY"


def test_one_event_or_message_many_times_at_once_is_worked_on_once(world: World) -> None:
    created = world.put("alice/a.jpg", jpeg())
    at_once(*[lambda: world.deliver(created)] * 4)
    (process,) = world.messages()
    at_once(*[lambda: world.deliver(process)] * 4)
    (analyze,) = world.messages()
    at_once(*[lambda: world.deliver(analyze)] * 4)
    assert world.providers.analyzed == ["a.jpg"]
    assert len(world.published()) == 2


def test_the_same_bytes_under_two_keys_at_once_are_one_item(world: World) -> None:
    events = [world.put(f"alice/{name}.jpg", jpeg()) for name in ("a", "b", "c", "d")]
    for event in events:
        world.deliver(event)
    at_once(*[lambda message=message: world.deliver(message) for message in world.messages()])
    assert world.sql("SELECT count(*), min(status) FROM items") == [(1, "PROCESSING")]
    assert world.sql("SELECT count(DISTINCT item_id), count(*) FROM uploads") == [(1, 4)]
    world.run()
    assert world.sql("SELECT status FROM items") == [("READY",)]


def test_a_twin_whose_original_is_just_being_settled_waits_for_it(world: World) -> None:
    """Without the lock it would look too early, find nobody, and run into the unique index."""
    world.step(world.put("alice/a.jpg", jpeg()))
    sha256 = world.item("a")["sha256"]
    world.sql("UPDATE items SET sha256 = NULL")
    world.messages()
    world.deliver(world.put("alice/b.jpg", jpeg()))
    (twin,) = world.messages()
    settling = psycopg2.connect(world.admin_url)
    with settling.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('item'), hashtext('alice' || %s))", (sha256,))
        cursor.execute("UPDATE items SET sha256 = %s WHERE id = 'a'", (sha256,))
    delivered = threading.Thread(target=world.deliver, args=(twin,))
    delivered.start()
    delivered.join(1.0)
    assert delivered.is_alive()
    settling.commit()
    delivered.join()
    settling.close()
    assert world.sql("SELECT key, status, item_id FROM uploads WHERE key = 'alice/b.jpg'")[0][1:] == (
        "duplicate",
        "a",
    )


def test_items_embedded_and_deleted_at_once_leave_exact_statistics(world: World) -> None:
    names = [f"red apple number {n}" for n in range(5)]
    for number, name in enumerate(names):
        world.deliver(world.put(f"alice/{name}.jpg", jpeg(size=(40 + number, 40))))
    world.step()
    world.step()
    embeds = world.messages()
    for message in embeds[:2]:
        world.deliver(message)
    ready = world.sql("SELECT id FROM items WHERE status = 'READY'")
    done = [ItemRef(user_id="alice", item_id=item_id) for (item_id,) in ready]
    at_once(
        *[lambda message=message: world.deliver(message) for message in embeds[2:]],
        *[lambda ref=ref: delete_item(ref, db=wiring.database(), blobs=wiring.blobs()) for ref in done],
    )
    world.run()
    assert world.sql("SELECT count(*) FROM items WHERE status = 'READY'") == [(3,)]
    counted = "SELECT owner, term, count(*)::int FROM postings GROUP BY 1, 2 ORDER BY 1, 2"
    assert world.sql("SELECT owner, term, n FROM term_df ORDER BY 1, 2") == world.sql(counted)
    lengths = "SELECT count(DISTINCT page_id), sum(tf) FROM postings"
    assert world.sql("SELECT pages, total_length FROM corpus_stats") == world.sql(lengths)
