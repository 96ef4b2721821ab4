"""The cost of a request in calls of DynamoDB and round trips to Postgres; bench.request has the milliseconds."""

import pytest
from psycopg2.errors import ReadOnlySqlTransaction

from chalicelib import wiring
from chalicelib.stores.aws.dynamodb import Presence
from chalicelib.stores.postgres import connection
from chalicelib.stores.postgres.postgres import Database
from tests.support.databases import execute
from tests.support.people import People


def test_an_authenticated_get_is_two_calls_and_two_round_trips(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.count_requests()
    token = people.join("ann@example.org")["access_token"]
    for path in ("/api/v1/items", "/api/v1/me"):
        assert people("GET", path, token=token).status == 200  # opens the connection, and makes what is kept
        counts = {"dynamodb": 0, "postgres": 0}
        asked, execute_ = Presence.asked, connection.Cursor.execute

        def counted_asked(presence: Presence) -> object:
            counts["dynamodb"] += 1  # noqa: B023
            return asked(presence)  # noqa: B023

        def counted_execute(cursor: connection.Cursor, *given: object) -> None:
            counts["postgres"] += 1  # noqa: B023
            execute_(cursor, *given)  # type: ignore[arg-type]  # noqa: B023

        with monkeypatch.context() as counted:
            counted.setattr(Presence, "asked", counted_asked)
            counted.setattr(connection.Cursor, "execute", counted_execute)
            assert people("GET", path, token=token).status == 200
        assert counts == {"dynamodb": 2, "postgres": 2}, path


def test_a_read_is_one_statement_of_one_user_that_changes_nothing(db: Database, admin_url: str) -> None:
    execute(admin_url, "INSERT INTO users (id) VALUES ('ann'), ('eve'), ('bob')")
    for user in ("ann", "eve"):
        found = db.read(user, lambda tx: tx.all("SELECT id, %(more)s AS more FROM users", more="1%"))
        assert found == [{"id": user, "more": "1%"}]
        # The next transaction on the same connection has nothing of it.
        assert db.transact("bob", lambda tx: tx.all("SELECT id FROM users")) == [{"id": "bob"}]
    with pytest.raises(ReadOnlySqlTransaction):
        db.read("ann", lambda tx: tx.run("UPDATE users SET id = 'mallory'"))
    with pytest.raises(RuntimeError, match="one statement"):
        db.read("ann", lambda tx: (tx.one("SELECT 1"), tx.one("SELECT 2")))
    assert db.read("ann", lambda tx: tx.one("SELECT 1 AS one")) == {"one": 1}


def test_a_client_is_made_once_for_both_tables(world: object) -> None:
    assert wiring.sessions()._dynamodb is wiring.rate_limits()._dynamodb is wiring.tables()._dynamodb
