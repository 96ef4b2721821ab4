"""The tests' databases: whatever one test leaves in its own, the next test's equals the template."""

import psycopg2
import pytest

from tests.support.databases import Databases, rows

OID = "SELECT oid FROM pg_database WHERE datname = current_database()"


def oid_after(databases: Databases, statement: str) -> tuple[int, int]:
    """Return the ids of the database that ran the statement and of the one that is lent after it."""
    with databases.lent() as url:
        used = rows(url, OID)[0][0]
        connection = psycopg2.connect(url)
        connection.cursor().execute(statement)
        connection.commit()
        connection.close()
    with databases.lent() as url:
        return used, rows(url, OID)[0][0]


def test_a_database_that_was_only_read_is_lent_again_under_another_name(databases: Databases) -> None:
    with databases.lent() as before:
        pass
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        rows(before, "SELECT 1")
    first, second = oid_after(databases, "SELECT * FROM users")
    assert first == second


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (id) VALUES ('left')",
        "INSERT INTO users (id) VALUES ('gone'); ROLLBACK",
        "SELECT nextval('tasks_id_seq')",
        "CREATE TABLE left_behind (id int)",
        "TRUNCATE schema_migrations",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO PUBLIC', current_database()); END $$",
        "CREATE TEMPORARY TABLE passing (id int)",
        "ANALYZE",
    ],
)
def test_a_database_that_was_written_to_is_not_lent_again(databases: Databases, statement: str) -> None:
    used, next_one = oid_after(databases, statement)
    assert used != next_one


def test_nobody_stays_in_a_database_that_is_lent_again(databases: Databases) -> None:
    with databases.lent() as url:
        left = psycopg2.connect(url)
        left.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError):
        left.cursor().execute("SELECT 1")
    assert left.closed
