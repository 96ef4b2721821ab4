"""Nobody sees another's rows: enforced by the database, not by the WHERE clauses."""

import psycopg2
import pytest

from chalicelib.errors import Misconfigured
from chalicelib.stores.postgres.postgres import Database
from tests.support.world import World, jpeg

# No tenant's: the catalogue of models, what migrations have run, and what all users have spent together.
SHARED = {"embedding_sets", "generation_sets", "generations", "schema_migrations", "stage_spending"}
OPERATORS = {"account_deletions", "audit_log", "dead_letters", "sweep_cursors"}


def tables(url: str) -> dict[str, tuple[bool, bool]]:
    """Return every table of the schema: (row-level security enabled, forced)."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        found = {name: (enabled, forced) for name, enabled, forced in cursor.fetchall()}
    connection.close()
    return found


def test_every_tenant_table_is_under_forced_row_level_security(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    found = tables(world.admin_url)
    assert "vectors_1" in found, "the partition of the embedding set that was just made is looked at too"
    assert {name for name, security in found.items() if security != (True, True)} == SHARED


def test_without_the_where_clauses_there_is_still_no_leak(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.ingest("bob/b.jpg", jpeg("blue"))
    for name in sorted(set(tables(world.admin_url)) - SHARED - OPERATORS):
        if name.startswith("vectors_"):
            continue  # no grant at all, see below
        everybody = world.sql(f"SELECT count(*) FROM {name}")[0][0]
        counted = [
            world.db.transact(user, lambda tx, name=name: tx.all(f"SELECT count(*) AS n FROM {name}"))[0]["n"]
            for user in ("alice", "bob", "nobody")
        ]
        assert counted[2] == 0, name
        assert counted[0] + counted[1] == everybody, name
        if everybody:
            assert 0 < counted[0] < everybody, name


def test_no_tenant_set_means_no_rows(world: World, app_url: str) -> None:
    world.ingest("alice/a.jpg", jpeg())
    connection = psycopg2.connect(app_url)
    with connection, connection.cursor() as cursor:
        for name in ("users", "items", "chunks", "vectors", "postings", "embeddings", "documents", "tasks"):
            cursor.execute(f"SELECT count(*) FROM {name}")
            assert cursor.fetchone() == (0,), name
    connection.close()


@pytest.mark.parametrize("table", [*sorted(OPERATORS), "vectors_1"])
def test_the_app_has_no_grant_on_the_operators_tables(world: World, app_url: str, table: str) -> None:
    world.ingest("alice/a.jpg", jpeg())
    connection = psycopg2.connect(app_url)
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(f"SELECT * FROM {table}")
    connection.close()


def test_a_user_cannot_write_into_anothers_rows(world: World) -> None:
    world.ingest("bob/b.jpg", jpeg())
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        world.db.transact(
            "alice",
            lambda tx: tx.run("INSERT INTO item_events (user_id, item_id, event) VALUES ('bob', 'b', 'x')"),
        )
    touched = world.db.transact("alice", lambda tx: tx.run("UPDATE items SET name = 'mine'"))
    assert touched == 0


def test_the_system_reads_no_content(world: World) -> None:
    for table in ("chunks", "analyses", "vectors", "codes", "postings", "users", "idempotency_keys", "cache_entries"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.db.transact_as_system(lambda tx, table=table: tx.all(f"SELECT * FROM {table}"))


def test_a_role_above_the_policies_is_refused(admin_url: str) -> None:
    database = Database(admin_url, max_size=1)
    with pytest.raises(Misconfigured) as refused:
        database.transact("alice", lambda tx: tx.one("SELECT 1"))
    assert refused.value.code == "database_role"


def test_statistics_of_one_owner_do_not_move_anothers_scores(world: World) -> None:
    from chalicelib import wiring
    from chalicelib.model.search.filters import Filters
    from chalicelib.model.search.listing import Cut
    from chalicelib.ops.search.search import search_items

    def score() -> float | None:
        answer = search_items(
            "alice",
            "red apple",
            filters=Filters(),
            cut=Cut(limit=5, include_weaker=True),
            db=wiring.database(),
            embedder=wiring.embedder(),
        )
        return answer.hits[0].rank.lexical_score

    world.ingest("alice/red-apple.jpg", jpeg())
    alone = score()
    world.ingest("bob/red-apple.jpg", jpeg())
    assert score() == alone
