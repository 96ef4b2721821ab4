"""Connections whose every wait ends in time, and the settings of a transaction."""

import select
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg2
from psycopg2 import extensions

from chalicelib import errors
from chalicelib.stores.postgres.sql import Prepared

SERVERS_SHARE = 0.9  # of the time left: the server ends a statement before we must drop the connection
SETTINGS = """SELECT set_config(%s, %s, true), set_config('statement_timeout', %s, true),
    set_config('idle_in_transaction_session_timeout', %s, true)"""


class TimeUp(psycopg2.OperationalError):
    """The database did not answer in time, and the connection must be dropped."""


class Connection(extensions.connection):
    """A connection whose every wait ends at `give_up_at`.

    The driver's own waits have no timeout, and the server's timeouts do not help when the network hangs. So the driver
    is used in its non-blocking mode, in which BEGIN and COMMIT are ordinary statements.
    """

    give_up_at: float

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._seen: dict[Prepared, int] = {}
        self._prepared: set[int] = set()

    def wait(self) -> None:
        while (state := self.poll()) != extensions.POLL_OK:
            left_s = self.give_up_at - monotonic()
            socket = select.poll()
            socket.register(self, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            if left_s <= 0 or not socket.poll(left_s * 1000):
                raise TimeUp("no answer in time")

    def prepare(self, cursor: "Cursor", statement: Prepared) -> str | None:
        """Return the name of the statement that the server has prepared; None for what is executed the first time."""
        number = self._seen.get(statement)
        if number is None:
            self._seen[statement] = len(self._seen)
            return None
        if number not in self._prepared:
            cursor.execute(f"PREPARE s{number} AS {statement.numbered}")
            self._prepared.add(number)
        return f"s{number}"

    def roll_back(self) -> None:
        """Roll back an open transaction. If that fails it stays open."""
        open_ = (extensions.TRANSACTION_STATUS_INTRANS, extensions.TRANSACTION_STATUS_INERROR)
        if self.info.transaction_status in open_:
            with suppress(psycopg2.Error), self.cursor() as cursor:
                cursor.execute("ROLLBACK")


class Cursor(extensions.cursor):
    """A cursor that waits for its connection, and has the server prepare what is executed again."""

    def execute(self, statement: str | bytes, values: Any = None) -> None:
        if isinstance(statement, Prepared):
            statement, values = self.prepared(statement, values)
        super().execute(statement, values)
        self.connection.wait()

    def prepared(self, statement: Prepared, values: Any) -> tuple[str, Any]:
        """Return the statement as the server has it prepared, with its values; at its first execution as it is."""
        name = self.connection.prepare(self, statement)
        if name is None:
            return statement, values
        values = [values[each] for each in statement.names]
        return f"EXECUTE {name} ({', '.join(['%s'] * len(values))})" if values else f"EXECUTE {name}", values


class OneStatement:
    """A cursor for one statement, which is sent together with the settings of its transaction."""

    def __init__(self, cursor: Cursor, settings: bytes) -> None:
        self._cursor, self._settings = cursor, settings

    def execute(self, statement: str, values: Any = None) -> None:
        if not self._settings:
            raise RuntimeError("Database.read runs one statement; use transact for more.")
        if isinstance(statement, Prepared):
            statement, values = self._cursor.prepared(statement, values)
        self._cursor.execute(self._settings + b"; " + self._cursor.mogrify(statement, values))
        self._settings = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def settings_of(cursor: Cursor, setting: tuple[str, str], give_up_at: float) -> bytes:
    """Return the statement that makes a transaction a user's or a role's, and bounds its time on the server."""
    servers_ms = str(max(1, int(1000 * SERVERS_SHARE * (give_up_at - monotonic()))))
    found: bytes = cursor.mogrify(SETTINGS, (*setting, servers_ms, servers_ms))
    return found


def connect(url: str, *, give_up_at: float, takes_owner: bool) -> Connection:
    """Return a new connection. Raise Misconfigured, unless it takes owners, for a role that sees all rows."""
    conn: Connection = psycopg2.connect(
        url,
        async_=True,
        connection_factory=Connection,
        cursor_factory=Cursor,
        application_name="collections",
        keepalives_idle=30,
        tcp_user_timeout=10_000,
    )
    try:
        conn.give_up_at = give_up_at
        conn.wait()
        if not takes_owner:
            _refuse_powerful_role(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def _refuse_powerful_role(conn: Connection) -> None:
    """Raise Misconfigured for roles that row-level security does not bind: superusers, BYPASSRLS, operators."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR pg_has_role(oid, 'collections_operator', 'MEMBER') "
            " FROM pg_roles WHERE rolname = current_user"
        )
        if cursor.fetchone() == (True,):
            raise errors.Misconfigured(
                "DATABASE_URL must log in as collections_app, not as an owner or superuser.",
                code="database_role",
            )
