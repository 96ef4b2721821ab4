"""One connection pool, one way to run a transaction, one place where psycopg2's errors become ours.

A transaction is a function of a cursor, so that it can be run again whole when the server
went away under it. Every transaction is either one user's (row-level security shows that
user's rows only) or the system's (the pipeline's tables, all users).
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_UNKNOWN, connection

from chalicelib import errors
from chalicelib.stores.tx import Tx

T = TypeVar("T")
log = logging.getLogger("collections.postgres")

ATTEMPTS = 3
POOL_WAIT_S = 5.0
_SHUTDOWN = {"57P01", "57P02", "57P03"}  # the server goes down, crashes, starts up
_NOT_MIGRATED = {"42P01", "42703", "42704", "42883"}  # a table, column, role or function is missing


class Database:
    """A pool of at most `max_size` connections; a caller waits up to 5 s for one."""

    def __init__(self, url: str, *, max_size: int, connect_timeout_s: int = 3) -> None:
        self._url = url
        self._connect_timeout_s = connect_timeout_s
        self._slots = threading.BoundedSemaphore(max_size)
        self._lock = threading.Lock()
        self._idle: list[connection] = []

    def transact(self, user_id: str, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction that sees only this user's rows.

        It is run again, whole, when the connection died or the server asked for it, so it must
        have no effect outside the transaction. Raises Unavailable when the database stays away.
        """
        return self._retrying(work, "SELECT set_config('app.user_id', %s, true)", (user_id,))

    def transact_as_system(self, work: Callable[[Tx], T]) -> T:
        """Run `work` over all users' rows of the pipeline's tables: for sweeps and relays only."""
        return self._retrying(work, "SET LOCAL ROLE collections_system", ())

    def ping(self) -> None:
        """Raises Unavailable or Misconfigured unless the database answers us as the app's role."""
        self.transact_as_system(lambda tx: tx.one("SELECT 1"))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for conn in idle:
            conn.close()

    def _retrying(self, work: Callable[[Tx], T], prepare: str, values: tuple[Any, ...]) -> T:
        attempt = 1
        while True:
            try:
                with self._connection() as conn, conn, conn.cursor() as cursor:
                    cursor.execute(prepare, values)
                    return work(Tx(cursor))
            except psycopg2.Error as error:
                if not _is_transient(error) or attempt == ATTEMPTS:
                    raise _translated(error) from error
                log.warning("transaction run again", extra={"pgcode": error.pgcode, "attempt": attempt})
                attempt += 1

    @contextmanager
    def _connection(self) -> Iterator[connection]:
        if not self._slots.acquire(timeout=POOL_WAIT_S):
            raise errors.Unavailable("The database is busy.", code="database_busy")
        try:
            with self._lock:
                conn = self._idle.pop() if self._idle else None
            conn = conn or self._connect()
            try:
                yield conn
            except psycopg2.Error as error:
                if _is_lost(error):
                    self._discard_all(conn)
                raise
            finally:
                self._give_back(conn)
        finally:
            self._slots.release()

    def _connect(self) -> connection:
        try:
            conn = psycopg2.connect(
                self._url,
                connect_timeout=self._connect_timeout_s,
                application_name="collections",
                keepalives_idle=30,
                tcp_user_timeout=10_000,
            )
        except psycopg2.Error as error:
            # Not tried again here: three times the timeout is longer than a caller waits.
            raise errors.Unavailable(
                "The database is away; try again soon.", code="database_unavailable"
            ) from error
        try:
            _refuse_powerful_role(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def _discard_all(self, conn: connection) -> None:
        """After a lost server every idle connection is as dead as this one."""
        conn.close()
        self.close()

    def _give_back(self, conn: connection) -> None:
        if conn.closed or conn.info.transaction_status == TRANSACTION_STATUS_UNKNOWN:
            conn.close()
            return
        with self._lock:
            self._idle.append(conn)


def _refuse_powerful_role(conn: connection) -> None:
    """Row-level security does not bind superusers, BYPASSRLS or members of the operator: refuse to run as one."""
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR pg_has_role(oid, 'collections_operator', 'MEMBER') "
            " FROM pg_roles WHERE rolname = current_user"
        )
        if cursor.fetchone() == (True,):
            raise errors.Misconfigured(
                "DATABASE_URL must log in as collections_app, not as an owner or superuser.",
                code="database_role",
            )


def _is_transient(error: psycopg2.Error) -> bool:
    return _is_lost(error) or error.pgcode in ("40001", "40P01")


def _is_lost(error: psycopg2.Error) -> bool:
    # After a crash the first use can raise with no code at all and the connection still "open".
    code = error.pgcode
    if code is None:
        return (
            isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
            or type(error) is psycopg2.DatabaseError
        )
    return code in _SHUTDOWN or code.startswith("08")


def _translated(error: psycopg2.Error) -> Exception:
    code = error.pgcode or ""
    if _is_transient(error) or code.startswith("53"):
        return errors.Unavailable("The database is away; try again soon.", code="database_unavailable")
    if code in ("57014", "55P03"):
        return errors.Unavailable("The database took too long; try again soon.", code="database_timeout")
    if code in _NOT_MIGRATED:
        return errors.Misconfigured("The database is not migrated to this release.", code="database_schema")
    if code == "23505":
        return errors.Conflict("It exists already.")
    return error
