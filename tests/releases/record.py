"""Records a release before its successor's first migration: `python -m tests.releases.record 0002_failures`.

Into a folder of that name go the release's statements, to be planned against later schemas, and rows as
its code left them, to be migrated by later releases.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from chalicelib.ops.accounts import accounts, api_keys
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from chalicelib.stores.postgres.postgres import Database
from local.layout import aws_environment
from local.postgres import start_postgres, stop_postgres
from tests.support.emulated import BUCKET, emulated_aws
from tests.support.provider_server import DIMENSIONS, provider_server
from tests.support.world import World, forget_wiring, jpeg

HERE = Path(__file__).parent
STORES = HERE.parent.parent / "chalicelib" / "stores"
PDF = HERE.parent.parent / "samples" / "balcony-tomatoes.pdf"
# create_embedding_set fills these.
MADE_WITH_A_SET = ["embedding_sets", "generation_sets", "generations"]
EMAIL, PASSWORD = "ann@example.org", "a password that is long"


def record(folder: Path) -> None:
    statements = folder / "statements"
    statements.mkdir(parents=True)
    for path in STORES.rglob("*.sql"):
        if path.parent.name != "migrations":
            shutil.copy(path, statements)
    with TemporaryDirectory(prefix="collections-release-") as state, provider_server() as providers:
        url = start_postgres(Path(state), 0, fsync=False)
        migrate(url)
        set_app_password(url, "test")
        with emulated_aws(Path(state)) as aws:
            os.environ |= aws_environment(aws.emulator.port) | {
                "ENVIRONMENT": "local",
                "DATABASE_URL": url.replace("//postgres@", "//collections_app:test@"),
                "IMAGES_BUCKET": BUCKET,
                "EMBEDDINGS_URL": f"{providers.url}/v1",
                "EMBEDDING_MODEL": "test-embedding",
                "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
                "ANALYZER_URL": providers.url,
                "CHAT_PROVIDER": "none",
                "SESSION_SECRET": "of-the-tests-and-known-to-everybody",
            }
            db = Database(os.environ["DATABASE_URL"], max_size=2)
            use(World(db=db, admin_url=url, aws=aws, providers=providers))
            db.close()
            forget_wiring()
        (folder / "rows.sql").write_text("\n".join(rows(url)) + "\n")
        stop_postgres(Path(state))


def use(world: World) -> None:
    """Ready items of two users, a failed one, one that waits for its analysis, a copy; an account with a key."""
    world.ingest("alice/red apple.jpg", jpeg())
    world.ingest("alice/tomatoes.pdf", PDF.read_bytes())
    world.ingest("alice/copy.jpg", jpeg())
    world.ingest("alice/broken.jpg", b"garbage")
    world.ingest("bob/sea.jpg", jpeg("blue"))
    world.step(world.put("bob/waiting.jpg", jpeg("green")))
    accounts.register(EMAIL, PASSWORD, name="Ann", db=world.db)
    ((user_id,),) = world.sql("SELECT user_id FROM accounts")
    all_scopes = ("read", "write", "account", "admin")
    api_keys.create_key(
        user_id,
        name="all",
        scopes=all_scopes,
        expires_at=None,
        own_scopes=all_scopes,
        own_end=None,
        now=datetime.now(UTC),
        db=world.db,
    )


def rows(url: str) -> Iterator[str]:
    """Statements that make the same rows, in an order that foreign keys allow."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT model, dimensions FROM embedding_sets ORDER BY id")
        for model, dimensions in cursor.fetchall():
            yield f"SELECT create_embedding_set('{model}', {dimensions});"
        yield "SET session_replication_role = replica;"
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname <> ALL (%s) ORDER BY relname",
            (["schema_migrations", *MADE_WITH_A_SET],),
        )
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT format('INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM"
                f" json_populate_recordset(NULL::{table}, %L);', json_agg(t)) FROM {table} t HAVING count(*) > 0"
            )
            yield from (statement for (statement,) in cursor.fetchall())
        cursor.execute(
            "SELECT format('SELECT setval(pg_get_serial_sequence(%L, %L), (SELECT max(%I) FROM %I));',"
            " table_name, column_name, column_name, table_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' AND is_identity = 'YES' AND table_name <> 'embedding_sets' ORDER BY 1"
        )
        yield from (statement for (statement,) in cursor.fetchall())
        yield "SET session_replication_role = origin;"
    connection.close()


if __name__ == "__main__":
    LAST = max((STORES / "postgres" / "migrations").glob("*.sql")).stem
    if sys.argv[1:] != [LAST]:
        sys.exit(f"usage: python -m tests.releases.record {LAST}\nThe name is that of the last migration.")
    record(HERE / LAST)
