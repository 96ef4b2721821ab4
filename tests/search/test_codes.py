"""Codes of an owner of many vectors: complete whoever writes meanwhile, gone with their chunks, seen by nobody else."""

import time
from collections.abc import Iterator

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from chalicelib.model.search.filters import Filters
from chalicelib.model.search.passages import NearChunk
from chalicelib.ops.search import codes as ops
from chalicelib.stores.postgres.postgres import Database, OperatorsDatabase
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import codes, generations, index, lookup
from tests.support.databases import execute, rows

DIMENSIONS, ITEMS, EACH = 64, 40, 5
BOUND = 100  # alice has 200 chunks, bob 50
ROWS = f"""
INSERT INTO users (id) VALUES ('alice'), ('bob');
INSERT INTO items (user_id, id, key, name, kind, status)
SELECT u.id, 'item-' || n, u.id || '/' || n, 'item-' || n, 'pdf', 'READY'
FROM users u, generate_series(1, {ITEMS}) n WHERE u.id = 'alice' OR n <= 10 ORDER BY 1, 2;
INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)
SELECT user_id, id, 'text', c, c, 0, 1, 'x' FROM items, generate_series(1, {EACH}) c ORDER BY user_id, id, c;
INSERT INTO corpus_stats SELECT u.number, count(*), 0 FROM users u JOIN chunks c ON c.user_id = u.id GROUP BY 1;
"""
CODED = "SELECT count(*) FROM codes"
WRONG = """SELECT v.chunk_id FROM vectors v JOIN coded_owners o USING (set_id, owner)
    FULL JOIN codes k ON k.set_id = v.set_id AND k.chunk_id = v.chunk_id AND k.owner = v.owner
    WHERE k.code IS DISTINCT FROM binary_quantize(v.vector - o.centre)"""


def some_vectors(seed: int, count: int) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    found: list[list[float]] = (rng.normal(size=(count, DIMENSIONS)) + 1).tolist()
    return found


@pytest.fixture
def set_id(db: Database, admin_url: str) -> int:
    made = db.transact("alice", lambda tx: index.ensure_set(tx, model="test", dimensions=DIMENSIONS))
    execute(admin_url, ROWS)
    fill(admin_url, made)
    return made


@pytest.fixture
def operators(admin_url: str) -> Iterator[OperatorsDatabase]:
    database = OperatorsDatabase(admin_url, max_size=1)
    yield database
    database.close()


def fill(admin_url: str, set_id: int) -> None:
    """Give each chunk a vector in the set."""
    found = rows(
        admin_url, "SELECT u.number, c.id FROM chunks c JOIN users u ON u.id = c.user_id ORDER BY c.id"
    )
    values = [
        (set_id, owner, chunk_id, str(vector))
        for (owner, chunk_id), vector in zip(found, some_vectors(0, len(found)), strict=True)
    ]
    with psycopg2.connect(admin_url) as connection, connection.cursor() as cursor:
        execute_values(cursor, "INSERT INTO vectors VALUES %s", values)
    connection.close()


def step(db: Database, at_most: int = 1000) -> bool:
    return db.transact_as_system(lambda tx: codes.code_next(tx, bound=BOUND, at_most=at_most))


def code(db: Database, at_most: int = 1000) -> None:
    """Make codes until all owners that want them have them. Other tests' transactions are waited for."""
    give_up_at = time.monotonic() + 60
    while step(db, at_most) or pending(db):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def pending(db: Database) -> bool:
    counted = "SELECT count(*) AS n FROM coded_owners WHERE NOT is_complete"
    return any(db.transact(user, lambda tx: tx.all(counted))[0]["n"] for user in ("alice", "bob"))


def nearest(
    db: Database, query: list[float], filters: Filters | None = None, user: str = "alice"
) -> list[NearChunk]:
    def read(tx: Tx) -> list[NearChunk]:
        scope = lookup.find_scope(tx, user)
        assert scope is not None
        return lookup.list_semantic(tx, scope, query, filters=filters or Filters(), depth=10)

    return db.transact(user, read)


def is_coded(db: Database, user: str) -> bool:
    scope = db.transact(user, lambda tx: lookup.find_scope(tx, user))
    return scope is not None and scope.centre is not None


def test_a_search_by_codes_finds_what_the_exact_one_finds(
    db: Database, set_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Filters(item_ids=("item-3", "item-7", "item-30"))
    asked = [(query, filters) for query in some_vectors(1, 10) for filters in (Filters(), some)]
    before = [nearest(db, *each) for each in asked]
    code(db)
    assert is_coded(db, "alice") and not is_coded(db, "bob")
    after = [nearest(db, *each) for each in asked]
    assert [[hit.chunk_id for hit in hits] for hits in after] == [
        [hit.chunk_id for hit in hits] for hits in before
    ]
    assert [[hit.score for hit in hits] for hits in after] == [[hit.score for hit in hits] for hits in before]
    # With few candidates the codes choose: random vectors are their worst case.
    monkeypatch.setattr(lookup, "CANDIDATE_CHUNKS", 50)
    chosen = [nearest(db, query) for query, filters in asked if filters == Filters()]
    found = [
        len({hit.chunk_id for hit in hits} & {h.chunk_id for h in b})
        for hits, b in zip(chosen, before[::2], strict=True)
    ]
    assert sum(found) >= 0.6 * 10 * len(found), found


def test_dimensions_without_a_value_do_not_count(
    db: Database, set_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [[*query[:16], *[0.0] * (DIMENSIONS - 16)] for query in some_vectors(2, 20)]
    before = [{hit.chunk_id for hit in nearest(db, query)} for query in asked]
    code(db)
    monkeypatch.setattr(lookup, "CANDIDATE_CHUNKS", 50)
    found = [
        len({hit.chunk_id for hit in nearest(db, query)} & hits)
        for query, hits in zip(asked, before, strict=True)
    ]
    assert sum(found) >= 0.6 * 10 * len(found), found


def test_codes_are_made_in_steps_and_used_when_all_are_there(
    db: Database, set_id: int, admin_url: str
) -> None:
    while rows(admin_url, CODED) == [(0,)]:
        step(db, at_most=70)
    assert rows(admin_url, CODED) == [(70,)] and not is_coded(db, "alice")
    code(db, at_most=70)
    assert rows(admin_url, CODED) == [(ITEMS * EACH,)] and is_coded(db, "alice")
    assert rows(admin_url, WRONG) == [] and not step(db)


def test_what_is_written_and_deleted_later_has_its_codes(db: Database, set_id: int, admin_url: str) -> None:
    code(db)
    one, other = [
        n for (n,) in rows(admin_url, "SELECT id FROM chunks WHERE user_id = 'alice' ORDER BY id LIMIT 2")
    ]
    new = "INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)"
    execute(admin_url, f"{new} VALUES ('alice', 'item-1', 'text', 99, 99, 0, 1, 'x')")
    ((added,),) = rows(admin_url, "SELECT max(id) FROM chunks")
    written = some_vectors(3, 2)
    db.transact(
        "alice", lambda tx: index.add_vectors(tx, "alice", set_id=set_id, ids=[one, added], vectors=written)
    )
    assert rows(admin_url, WRONG) == []
    assert [nearest(db, vector)[0].chunk_id for vector in written] == [one, added]
    execute(admin_url, f"DELETE FROM chunks WHERE id = {other}")
    assert rows(admin_url, WRONG) == [] and rows(admin_url, CODED) == [(ITEMS * EACH,)]


def test_a_search_reads_codes_where_they_are_stored(db: Database, set_id: int, admin_url: str) -> None:
    """A short header, of one byte instead of four, would have each code copied before it is compared."""
    code(db)
    ((one,),) = rows(admin_url, "SELECT min(id) FROM chunks WHERE user_id = 'alice'")
    vectors = some_vectors(3, 1)
    db.transact(
        "alice", lambda tx: index.add_vectors(tx, "alice", set_id=set_id, ids=[one], vectors=vectors)
    )
    header, length = 4, 4
    size = header + length + DIMENSIONS // 8
    assert rows(admin_url, "SELECT DISTINCT pg_column_size(code) FROM codes") == [(size,)]


def test_a_writer_that_began_before_its_owner_was_coded_is_waited_for(
    db: Database, set_id: int, admin_url: str
) -> None:
    ((late,),) = rows(admin_url, "SELECT min(id) FROM chunks WHERE user_id = 'alice'")
    execute(admin_url, f"DELETE FROM vectors WHERE chunk_id = {late}")
    writer = psycopg2.connect(admin_url)
    writer.cursor().execute(
        "INSERT INTO vectors SELECT set_id, owner, %s, vector FROM vectors WHERE chunk_id = %s",
        (late, late + 1),
    )
    for _ in range(10):
        step(db)
    assert not is_coded(db, "alice")
    writer.commit()
    writer.close()
    code(db)
    assert rows(admin_url, WRONG) == [] and is_coded(db, "alice")


def test_nobody_else_sees_the_codes_and_they_go_with_their_owner(
    db: Database, set_id: int, admin_url: str
) -> None:
    code(db)
    for table, of_alice in (("codes", ITEMS * EACH), ("coded_owners", 1)):
        counted = f"SELECT count(*) AS n FROM {table}"
        seen = [
            db.transact(user, lambda tx, c=counted: tx.all(c))[0]["n"] for user in ("alice", "bob", "nobody")
        ]  # type: ignore[misc]
        assert seen == [of_alice, 0, 0], table
    execute(admin_url, "DELETE FROM items WHERE user_id = 'alice'; DELETE FROM users WHERE id = 'alice'")
    assert rows(admin_url, f"{CODED} UNION ALL SELECT count(*) FROM coded_owners") == [(0,), (0,)]


def test_a_generation_brings_its_codes_and_takes_them_along(
    db: Database, set_id: int, admin_url: str, operators: OperatorsDatabase
) -> None:
    def begin(tx: Tx) -> tuple[int, int]:
        made = index.ensure_set(tx, model="next", dimensions=DIMENSIONS)
        return made, generations.begin(tx, [made])

    next_set, generation = operators.transact_as_operator(begin)
    fill(admin_url, next_set)
    code(db)
    each = "SELECT set_id, count(*)::int FROM codes GROUP BY 1 ORDER BY 1"
    assert rows(admin_url, each) == [(set_id, ITEMS * EACH), (next_set, ITEMS * EACH)]
    operators.transact_as_operator(lambda tx: generations.promote(tx, generation))
    assert is_coded(db, "alice")
    operators.transact_as_operator(generations.drop_retired)
    assert rows(admin_url, each) == [(next_set, ITEMS * EACH)] and rows(admin_url, WRONG) == []


def test_the_sweep_makes_codes_for_owners_of_more_than_the_bound(
    db: Database, set_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "EXACT_UP_TO", ITEMS * EACH)
    assert ops.code_vectors(db=db) == 0 and not is_coded(db, "alice")
    monkeypatch.setattr(ops, "EXACT_UP_TO", ITEMS * EACH - 1)
    monkeypatch.setattr(ops, "BATCHES", 2)
    assert ops.code_vectors(db=db) == 2 and not is_coded(db, "alice")
    while not is_coded(db, "alice"):
        ops.code_vectors(db=db)
