"""Measures a search against its bare SQL, and its recall under a tenant filter, among the rows of many tenants.

The data is generated: 100,000 chunks of 200 users. Words are drawn with the frequencies of language (Zipf). Vectors
are random, which is the hardest case for an approximate index. One user has 5,000 chunks. The other 199 have 480
each; all but two of these are copies of the first one. Search and SQL run in turn.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg2

from bench.figures import note
from bench.server import cpu_s, server_of
from chalicelib.model.ingest.chunking import chunk_pages
from chalicelib.model.ingest.files import Page
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.lexical import configuration_of
from chalicelib.model.search.listing import Cut
from chalicelib.model.search.snippets import START, STOP
from chalicelib.ops.search.search import search_items
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.search import lookup as search
from local.postgres import start_postgres, stop_postgres

SQL_TARGET, RECALL_TARGET = 1.3, 0.95
USERS, CHUNKS_EACH, CHUNKS_OF_ONE, DIMENSIONS = 199, 480, 5_000, 768
ROUNDS = 40
WORDS = [f"w{number}" for number in range(20_000)]
WEIGHTS = [1 / (rank + 1) for rank in range(len(WORDS))]


class RandomEmbedder:
    """An embedder that returns random unit vectors from a fixed seed: the cost of a model is not measured here."""

    model = "random"
    dimensions = DIMENSIONS
    next = None
    pictures = None

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    def embed(self, texts: Sequence[str], *, timeout_s: float, **_: Any) -> list[list[float]]:
        drawn = self._random.standard_normal((len(texts), DIMENSIONS)).astype(np.float16).astype(np.float32)
        return [list(map(float, row / np.linalg.norm(row))) for row in drawn]


@contextmanager
def database() -> Iterator[tuple[Database, str, str]]:
    """Yield an empty migrated database, and its URLs for the app's role and for the superuser."""
    with tempfile.TemporaryDirectory() as state:
        url = start_postgres(Path(state), 0, fsync=False)
        migrate(url)
        set_app_password(url, "bench")
        app_url = url.replace("//postgres@", "//collections_app:bench@")
        db = Database(app_url, max_size=2, timeout_s=120)
        yield db, app_url, url
        db.close()
        stop_postgres(Path(state))


def fill(db: Database, user: str, count: int, embedder: RandomEmbedder, draw: random.Random) -> None:
    """Give the user items of ten pages, one chunk a page; each item in a transaction."""

    def write(tx: Tx, number: int) -> None:
        users.ensure(tx, user)
        set_id = index.ensure_set(tx, model=embedder.model, dimensions=DIMENSIONS)
        ref = ItemRef(user_id=user, item_id=items.insert(tx, parse_key(f"{user}/{number}"), etag=None))
        texts = [" ".join(draw.choices(WORDS, WEIGHTS, k=80)) for _ in range(10)]
        pages = [Page(number=n + 1, text=text) for n, text in enumerate(texts)]
        chunks.insert(tx, ref, "text", chunk_pages(pages, max_tokens=400))
        ids, texts = zip(*chunks.list_unembedded(tx, ref, set_id=set_id, after=0, limit=1000), strict=True)
        index.add_vectors(tx, user, set_id=set_id, ids=ids, vectors=embedder.embed(texts, timeout_s=1))
        index.add_item(tx, ref)

    for number in range(count // 10):
        db.transact(user, lambda tx, number=number: write(tx, number))  # type: ignore[misc]


COPIES = """
    INSERT INTO users (id) SELECT 'copy' || n FROM generate_series(%(first)s, %(last)s) n;
    CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT u.id AS user_id, u.number AS owner FROM users u
        WHERE u.id LIKE 'copy%%' AND NOT EXISTS (SELECT FROM items i WHERE i.user_id = u.id);
    INSERT INTO items (user_id, id, key, name, kind, status)
        SELECT c.user_id, i.id, i.key, i.name, i.kind, i.status FROM items i, copied c WHERE i.user_id = 'u0';
    INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)
        SELECT c.user_id, k.item_id, k.source, k.ordinal, k.page, k.char_start, k.char_end, k.text
        FROM chunks k, copied c WHERE k.user_id = 'u0';
    INSERT INTO pages (user_id, item_id, number)
        SELECT c.user_id, g.item_id, g.number FROM pages g, copied c WHERE g.user_id = 'u0';
    INSERT INTO postings (owner, term, page_id, tf, dl)
        SELECT c.owner, p.term, mine.id, p.tf, p.dl FROM postings p
        JOIN pages g ON g.id = p.page_id AND g.user_id = 'u0' CROSS JOIN copied c
        JOIN pages mine ON mine.user_id = c.user_id AND mine.item_id = g.item_id AND mine.number = g.number;
    INSERT INTO term_df SELECT c.owner, d.term, d.n FROM term_df d, copied c
        WHERE d.owner = (SELECT number FROM users WHERE id = 'u0');
    INSERT INTO corpus_stats SELECT c.owner, s.pages, s.total_length FROM corpus_stats s, copied c
        WHERE s.owner = (SELECT number FROM users WHERE id = 'u0');
    INSERT INTO vectors (set_id, owner, chunk_id, vector)
        SELECT v.set_id, c.owner, mine.id, v.vector FROM vectors v
        JOIN chunks k ON k.id = v.chunk_id AND k.user_id = 'u0' CROSS JOIN copied c
        JOIN chunks mine ON mine.user_id = c.user_id AND mine.item_id = k.item_id AND mine.ordinal = k.ordinal;
"""
COPIED_AT_ONCE = 20  # users: 9,600 chunks


def copy_user(admin_url: str, copies: int) -> None:
    """Copy the rows of user u0 to `copies` new users, as the superuser, some in a transaction."""
    connection = psycopg2.connect(admin_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys are checked
    for first in range(1, copies + 1, COPIED_AT_ONCE):
        with connection, connection.cursor() as cursor:
            last = min(first + COPIED_AT_ONCE - 1, copies)
            cursor.execute(COPIES, {"first": first, "last": last})
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connection.close()


def bare_sql(
    url: str, user: str, query: str, vector: list[float], chosen: list[tuple[str, int, int | None]]
) -> Callable[[], None]:
    """Return a function that runs the statements of a search by hand, with the same values."""
    connection = psycopg2.connect(url)
    cursor = connection.cursor()

    def run() -> None:
        cursor.execute("SELECT set_config('app.user_id', %s, true)", (user,))
        tx = Tx(cursor)
        cursor.execute(search.SQL["scope"], {"user_id": user})
        owner, set_id, *_ = cursor.fetchone()
        scope = {"user_id": user, "owner": owner, **search.conditions(Filters())}
        words = {"query": query, "language": configuration_of(query)}
        cursor.execute(search.SQL["lexical"], {**scope, **search.READ, **words, "depth": ranking.DEPTH})
        cursor.fetchall()
        text = f"[{','.join(map(str, vector))}]"
        semantic = {"set_id": set_id, "vector": text, "depth": ranking.NEAREST_CHUNKS, "not_item": None}
        cursor.execute(search.SQL["semantic"], {**scope, **semantic})
        cursor.fetchall()
        items_, pages, ids = (list(column) for column in zip(*chosen, strict=True))
        values = {"item_ids": items_, "pages": pages, "chunk_ids": ids, "start": START, "stop": STOP}
        tx.run(search.SQL["passages"], user_id=user, **words, ngrams=[], **values)
        cursor.fetchall()
        connection.commit()

    return run


def median_ms(works: Sequence[Callable[[], object]], server: psutil.Process) -> list[float]:
    """Return the median CPU milliseconds of each function, Postgres' with it. In every round all run in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, found in zip(works, seconds, strict=True):
            start = time.process_time() + cpu_s(server)
            work()
            found.append(time.process_time() + cpu_s(server) - start)
    return [statistics.median(found) * 1000 for found in seconds]


def recall(db: Database, user: str, embedder: RandomEmbedder) -> float:
    """Return recall@10 of the nearest chunks, against an exact search over all the user's vectors in numpy."""

    def read(tx: Tx) -> float:
        scope = search.find_scope(tx, user)
        assert scope is not None
        rows = tx.all(
            "SELECT chunk_id, vector::text AS vector FROM vectors WHERE owner = %(owner)s", owner=scope.owner
        )
        stored = np.array([np.fromstring(row["vector"][1:-1], sep=",") for row in rows])
        hits = 0
        for query in embedder.embed(["q"] * 20, timeout_s=1):
            cosine = stored @ np.array(query) / np.linalg.norm(stored, axis=1)
            exact = {rows[at]["chunk_id"] for at in np.argsort(-cosine)[:10]}
            found = search.list_semantic(tx, scope, query, filters=Filters(), depth=10)
            hits += len(exact & {chunk.chunk_id for chunk in found})
        return hits / 200

    return db.transact(user, read)


def main() -> bool:
    """Print the figures. Return whether all are as good as stated."""
    embedder, draw = RandomEmbedder(), random.Random(7)  # noqa: S311  repeatable, not secret
    with database() as (db, url, admin_url):
        for user, count in (("u0", CHUNKS_EACH), ("u7", CHUNKS_EACH), ("big", CHUNKS_OF_ONE)):
            fill(db, user, count, embedder, draw)
        copy_user(admin_url, USERS - 2)
        holds = True
        for name, user, count in (("small", "u7", CHUNKS_EACH), ("big", "big", CHUNKS_OF_ONE)):
            query = " ".join(draw.choices(WORDS, WEIGHTS, k=8))

            def ours(user: str = user, query: str = query) -> object:
                return search_items(
                    user,
                    query,
                    filters=Filters(),
                    cut=Cut(limit=10, include_weaker=True),
                    db=db,
                    embedder=embedder,
                )

            hits = ours().hits  # type: ignore[attr-defined]
            chosen = [(h.passage.item_id, h.passage.page, h.passage.chunk_id) for h in hits]
            by_hand = bare_sql(url, user, query, embedder.embed(["q"], timeout_s=1)[0], chosen)
            ours_ms, bare_ms = median_ms([ours, by_hand], server_of(admin_url))  # type: ignore[list-item]
            found = recall(db, user, embedder)
            holds &= note(f"search.{name}_sql", ours_ms / bare_ms) & note(f"search.{name}_recall", found)
            print(
                f"search among {count:,} chunks: {ours_ms:.1f} CPU ms, bare SQL {bare_ms:.1f}, "
                f"ratio {ours_ms / bare_ms:.2f}; recall@10 {found:.3f}"
            )
    return holds


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
