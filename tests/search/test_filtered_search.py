"""Search among 200 tenants: always ten of ten rows, and the right ones, under every filter."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.model.search.passages import NearChunk
from chalicelib.ops.search.search import search_items
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.search import lookup as search

TENANTS, ITEMS, CHUNKS_PER_ITEM, DIMENSIONS = 200, 20, 5, 64
CHUNKS = ITEMS * CHUNKS_PER_ITEM
CENTRES = np.random.default_rng(3).normal(size=(40, DIMENSIONS))
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # an item a day
ASKED = range(0, TENANTS, 10)
QUERIES_EACH = 3

# The filter, and which items (numbered from 0) it lets through: 4 of them or more, so 20 chunks or more.
FILTERS: dict[str, tuple[Filters, Sequence[int]]] = {
    "none": (Filters(), range(ITEMS)),
    "kinds": (Filters(kinds=("pdf",)), range(1, ITEMS, 2)),
    "tag": (Filters(tag="red"), range(0, ITEMS, 4)),
    "window": (
        Filters(since=FIRST_DAY + timedelta(days=5), until=FIRST_DAY + timedelta(days=12)),
        range(5, 12),
    ),
    "item_ids": (Filters(item_ids=("item-1", "item-2", "item-7", "item-19")), (1, 2, 7, 19)),
    "all": (Filters(kinds=("image",), tag="red", since=FIRST_DAY + timedelta(days=1)), range(4, ITEMS, 4)),
}
ROWS = f"""
INSERT INTO users (id) SELECT 'user-' || n FROM generate_series(0, {TENANTS - 1}) n ORDER BY n;
INSERT INTO items (user_id, id, key, name, kind, status, created_at)
SELECT 'user-' || n, 'item-' || i, 'user-' || n || '/item-' || i, 'item-' || i, (ARRAY['image', 'pdf'])[i % 2 + 1],
       'READY', '{FIRST_DAY.isoformat()}'::timestamptz + i * interval '1 day'
FROM generate_series(0, {TENANTS - 1}) n, generate_series(0, {ITEMS - 1}) i;
INSERT INTO analyses (user_id, item_id, version, is_current, category, summary, labels, text_in_image, provider, model)
SELECT user_id, id, 1, true, 'photo', '', CASE WHEN substr(id, 6)::int % 4 = 0 THEN ARRAY['red'] ELSE '{{}}' END, '',
       'test', 't1'
FROM items;
INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)
SELECT user_id, id, 'text', c, c, 0, 1, 'x' FROM items, generate_series(0, {CHUNKS_PER_ITEM - 1}) c
ORDER BY substr(user_id, 6)::int, substr(id, 6)::int, c;
"""


@dataclass(frozen=True)
class Corpus:
    """`vectors` [tenant, item, chunk, dimension] as halfvec keeps them; chunk ids run in the same order."""

    db: Database
    vectors: np.ndarray
    first_chunk_id: int

    def nearest(self, tenant: int, items: Sequence[int], query: np.ndarray) -> set[int]:
        """Return the ids of the tenant's ten chunks nearest to the query, by brute force."""
        unit = self.vectors[tenant] / np.linalg.norm(self.vectors[tenant], axis=-1, keepdims=True)
        scores = unit @ query
        allowed = [item * CHUNKS_PER_ITEM + chunk for item in items for chunk in range(CHUNKS_PER_ITEM)]
        best = sorted(allowed, key=lambda number: -scores.reshape(-1)[number])[:10]
        return {self.first_chunk_id + tenant * CHUNKS + number for number in best}


@dataclass(frozen=True)
class Asking:
    """An embedder that answers one vector."""

    vector: list[float]
    model: str = "test"
    dimensions: int = DIMENSIONS
    next: None = None
    pictures: None = None

    def embed(self, texts: Sequence[str], *, timeout_s: float, **_: Any) -> list[list[float]]:
        return [self.vector for _ in texts]


def clustered(seed: int, *shape: int) -> np.ndarray:
    """Random vectors around 40 centres, rounded as halfvec rounds them."""
    rng = np.random.default_rng(seed)
    vectors = CENTRES[rng.integers(len(CENTRES), size=shape)] + rng.normal(size=(*shape, DIMENSIONS)) * 0.5
    return vectors.astype(np.float16).astype(np.float64)


@pytest.fixture
def corpus(db: Database, admin_url: str) -> Corpus:
    vectors = clustered(0, TENANTS, ITEMS, CHUNKS_PER_ITEM)
    set_id = db.transact("user-0", lambda tx: index.ensure_set(tx, model="test", dimensions=DIMENSIONS))
    with psycopg2.connect(admin_url) as connection, connection.cursor() as cursor:
        cursor.execute(ROWS)
        cursor.execute("SELECT min(id) FROM chunks")
        ((first,),) = cursor.fetchall()
        texts = [str(vector) for vector in vectors.reshape(-1, DIMENSIONS).tolist()]
        rows = [(set_id, 1 + n // CHUNKS, first + n, text) for n, text in enumerate(texts)]
        execute_values(cursor, "INSERT INTO vectors VALUES %s", rows, page_size=5000)
        cursor.execute("SELECT min(number), max(number), count(*) FROM users")
        assert cursor.fetchone() == (1, TENANTS, TENANTS)
        cursor.execute("ANALYZE")
    connection.close()
    return Corpus(db=db, vectors=vectors, first_chunk_id=first)


def test_ten_of_ten_and_the_nearest_under_every_filter(corpus: Corpus) -> None:
    recall: dict[str, list[float]] = {name: [] for name in FILTERS}
    asked = [(t, query) for t in ASKED for query in clustered(1000 + t, QUERIES_EACH)]
    for (tenant, query), name in itertools.product(asked, FILTERS):
        user, (filters, items) = f"user-{tenant}", FILTERS[name]

        def nearest(tx: Tx, user=user, filters=filters, query=query) -> list[NearChunk]:
            scope = search.find_scope(tx, user)
            return search.list_semantic(tx, scope, query.tolist(), filters=filters, depth=10)

        rows = corpus.db.transact(user, nearest)
        assert len(rows) == 10, (tenant, name)
        assert {row.item_id for row in rows} <= {f"item-{number}" for number in items}
        ids = {row.chunk_id for row in rows}
        recall[name].append(len(ids & corpus.nearest(tenant, items, query)) / 10)
        asking = Asking(query.tolist())
        answer = search_items(
            user,
            "harbour",
            filters=filters,
            cut=Cut(limit=10, include_weaker=True),
            db=corpus.db,
            embedder=asking,
        )
        assert len(answer.hits) == min(10, len(items)), (tenant, name)
    mean = {name: float(np.mean(each)) for name, each in recall.items()}
    assert min(mean.values()) >= 0.95, mean
