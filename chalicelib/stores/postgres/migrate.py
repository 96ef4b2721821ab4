"""Brings a database to this release's schema: numbered files, forward only, each in one transaction.

A file that begins with OUTSIDE is not: it builds an index of a large table while others write to it, and can be run
again from its beginning.

The owner runs it (`MIGRATION_DATABASE_URL`), never the app. Of two runs at the same time, one waits for the other's
advisory lock and then finds nothing to do. If a run is killed, its current file is rolled back, and the next run
starts with that file.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from psycopg2 import sql

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_ID = 7_203_041_996  # an arbitrary number that nothing else uses
APP_ROLE = "collections_app"
OUTSIDE = "-- Outside a transaction"
OUTSIDE_TIMEOUT_S = 1800  # for each wait for others' transactions, while they go on


class MigrationChanged(Exception):
    """A migration's file was changed after it ran, so the schema may differ from what the code expects."""


def migrate(admin_url: str, *, lock_timeout_s: int = 10) -> list[str]:
    """Apply the missing migrations and return their names. `lock_timeout_s` bounds each wait for a table.

    Raise MigrationChanged before anything is applied.
    """
    conn = psycopg2.connect(admin_url, connect_timeout=10)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            _lock(cursor)
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations"
                " (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            cursor.execute("SELECT name, sha256 FROM schema_migrations")
            done = dict(cursor.fetchall())
        migrations = list(_migrations())
        for name, text in migrations:
            if done.get(name, _sha256(text)) != _sha256(text):
                raise MigrationChanged(f"{name} was changed after it ran here; make a new migration instead.")
        missing = [(name, text) for name, text in migrations if name not in done]
        for name, text in missing:
            _apply(conn, name, text, lock_timeout_s)
        return [name for name, _ in missing]
    finally:
        conn.close()


def find_missing(admin_url: str) -> list[str]:
    """Return the names of the migrations that have not run."""
    conn = psycopg2.connect(admin_url, connect_timeout=10)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
            done: set[str] = set()
            if cursor.fetchone() == (True,):
                cursor.execute("SELECT name FROM schema_migrations")
                done = {name for (name,) in cursor.fetchall()}
        return [name for name, _ in _migrations() if name not in done]
    finally:
        conn.close()


def find_extension(admin_url: str, name: str) -> str | None:
    """Return the version of an extension of the database, None if it has none."""
    conn = psycopg2.connect(admin_url, connect_timeout=10)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute("SELECT extversion FROM pg_extension WHERE extname = %s", (name,))
            found = cursor.fetchone()
        return str(found[0]) if found else None
    finally:
        conn.close()


def set_app_password(admin_url: str, password: str) -> None:
    """Let the app's role log in with this password."""
    conn = psycopg2.connect(admin_url, connect_timeout=10)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(APP_ROLE), sql.Literal(password)
                )
            )
    finally:
        conn.close()


def _migrations() -> Iterator[tuple[str, str]]:
    for path in sorted(MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        yield path.stem, path.read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _lock(cursor: "psycopg2.extensions.cursor") -> None:
    """Wait until no other run is at work. A statement that waits would keep an index of that run from being built."""
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,))
        if cursor.fetchone() == (True,):
            return
        time.sleep(0.2)


def _apply(conn: "psycopg2.extensions.connection", name: str, text: str, lock_timeout_s: int) -> None:
    record = "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)"
    if text.startswith(OUTSIDE):
        with conn.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{OUTSIDE_TIMEOUT_S}s",))
            for statement in text.strip().split(";\n"):
                cursor.execute(statement)
            cursor.execute(record, (name, _sha256(text)))
        return
    with conn, conn.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{lock_timeout_s}s",))
        cursor.execute(text)
        cursor.execute(record, (name, _sha256(text)))
