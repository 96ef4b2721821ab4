"""Statements that a connection prepares when it executes them again."""

from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.sql import Prepared
from tests.support.databases import execute

COUNT = Prepared(
    "SELECT count(*) AS n, %(word)s::text AS word FROM users WHERE id <> %(word)s OR id = %(other)s"
)


def test_a_statement_is_planned_once_however_often_it_is_executed(db: Database) -> None:
    for word in ("a", "it's", "%s"):
        row = db.transact("alice", lambda tx, word=word: tx.one(COUNT, word=word, other="b"))  # type: ignore[misc]
        assert row == {"n": 0, "word": word}
    known = "SELECT statement, generic_plans + custom_plans AS uses FROM pg_prepared_statements"
    (prepared,) = db.transact("alice", lambda tx: tx.all(known))
    assert prepared["uses"] == 2
    assert "$1::text" in prepared["statement"] and "id = $2" in prepared["statement"]


def test_a_plan_that_a_migration_has_outdated_is_made_again(db: Database, admin_url: str) -> None:
    execute(admin_url, "CREATE TABLE things AS SELECT 1 AS a; GRANT SELECT ON things TO collections_app")
    statement = Prepared("SELECT a FROM things")
    for _ in range(2):
        assert db.transact("alice", lambda tx: tx.all(statement)) == [{"a": 1}]
    execute(admin_url, "ALTER TABLE things ALTER COLUMN a TYPE text")
    assert db.transact("alice", lambda tx: tx.all(statement)) == [{"a": "1"}]
