"""Measures what a chunk costs on its way into the index: CPU of Postgres and of the app, log, and bytes on disk.

python -m bench.chunk

The texts are those of bench.search, a chunk a page, items of ten pages. The vectors are those of bench.search.
"""

import random
import sys
import time

import psycopg2

from bench.figures import note
from bench.search import RandomEmbedder, database, fill
from bench.server import cpu_s, server_of

USERS, CHUNKS_EACH = 5, 400
TABLES = ("chunks", "pages", "postings", "term_df", "vectors_1")
BYTES = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s) name"


def main() -> bool:
    """Print the figures of a chunk. Return whether they are as good as stated."""
    embedder, draw = RandomEmbedder(), random.Random(7)  # noqa: S311  repeatable, not secret
    with database() as (db, _, admin_url):
        admin = psycopg2.connect(admin_url)
        admin.autocommit = True
        cursor = admin.cursor()

        def asked(statement: str, *values: object) -> str:
            cursor.execute(statement, values)
            return str(cursor.fetchone()[0])

        server = server_of(admin_url)

        def used() -> tuple[float, float, int]:
            return (
                cpu_s(server),
                time.process_time(),
                int(asked("SELECT pg_current_wal_insert_lsn() - '0/0'")),
            )

        for user in ("warm", *(f"u{number}" for number in range(USERS))):
            if user == "u0":
                before = used()
            fill(db, user, CHUNKS_EACH, embedder, draw)
        count = USERS * CHUNKS_EACH
        postgres_ms, app_ms, log_bytes = (
            (new - old) / count * scale
            for new, old, scale in zip(used(), before, (1000, 1000, 1), strict=True)
        )
        size = int(asked(BYTES, list(TABLES))) / (count + CHUNKS_EACH)
        admin.close()
    print(
        f"a chunk through the index: {postgres_ms:.2f} CPU ms of Postgres, {app_ms:.2f} of the app,"
        f" {log_bytes / 1024:.1f} KiB of log, {size / 1024:.1f} KiB on disk"
    )
    return note("chunk.postgres_ms", postgres_ms)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
