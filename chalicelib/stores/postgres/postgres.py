"""Pools connections, runs transactions, and translates psycopg2's errors into the app's.

A transaction is a function, so that it can be run again as a whole when the connection is lost. A user's transaction
sees only that user's rows, by row-level security. A system transaction sees all users' rows of the pipeline's tables.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

import psycopg2
from psycopg2 import extensions

from chalicelib import errors
from chalicelib.stores.postgres.connection import Connection, OneStatement, TimeUp, connect, settings_of
from chalicelib.stores.postgres.tx import Tx

T = TypeVar("T")
log = logging.getLogger("collections.postgres")

ATTEMPTS = 3
CONNECT_S = 3.0
FIRST_ANSWER_S = 1.0  # an idle connection that does not answer within this time is considered dead
READ_ONLY = b", set_config('transaction_read_only', 'on', true)"
_SHUTDOWN = {"57P01", "57P02", "57P03"}  # the server shuts down, crashed, or is starting up
_NOT_PREPARED = {"0A000", "26000"}  # a migration has changed what it returns; another session answers
_NOT_MIGRATED = {"42P01", "42703", "42704", "42883"}  # a table, column, role or function is missing


class Database:
    """A pool of at most `max_size` connections.

    `timeout_s` covers a whole transaction: the wait for a connection, connecting, its statements, and retries.
    """

    takes_owner = False

    def __init__(self, url: str, *, max_size: int, timeout_s: float = 60.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._slots = threading.BoundedSemaphore(max_size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    def transact(self, user_id: str, work: Callable[[Tx], T], *, timeout_s: float | None = None) -> T:
        """Run `work` in one transaction that sees only this user's rows.

        It is run again as a whole if the connection is lost or the server asks for it, so it must have no effect
        outside the transaction. Raise Unavailable if the database stays unavailable, or after `timeout_s`, which
        replaces the pool's own.
        """
        return self._retrying(work, ("app.user_id", user_id), timeout_s)

    def read(self, user_id: str, work: Callable[[Tx], T]) -> T:
        """Run `work`, which executes one statement that changes nothing, in one round trip instead of three.

        The settings and the statement go out as one message, which the server runs as one transaction. On an idle
        connection the statement must be done within FIRST_ANSWER_S, or it is run again on a new one: what may take
        longer is for `transact`. Otherwise like `transact`.
        """
        return self._retrying(work, ("app.user_id", user_id), None, is_read=True)

    def transact_as_system(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on all users' rows of the pipeline's tables. For sweeps and relays only."""
        return self._retrying(work, ("role", "collections_system"), None)

    def transact_as_gatekeeper(self, work: Callable[[Tx], T]) -> T:
        """Run `work` before the user is known: to find accounts by address and API keys by hash, and to register."""
        return self._retrying(work, ("role", "collections_gatekeeper"), None)

    def ping(self) -> None:
        """Raise Unavailable or Misconfigured unless the database answers us as the app's role."""
        self.transact_as_system(lambda tx: tx.one("SELECT 1"))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for conn in idle:
            conn.close()

    def _retrying(
        self,
        work: Callable[[Tx], T],
        setting: tuple[str, str],
        timeout_s: float | None,
        *,
        is_read: bool = False,
    ) -> T:
        give_up_at = monotonic() + (timeout_s or self._timeout_s)
        attempt = 1
        while True:
            try:
                with self._connection(give_up_at) as conn, conn.cursor() as cursor:
                    settings = settings_of(cursor, setting, give_up_at)
                    if is_read:
                        return work(Tx(OneStatement(cursor, settings + READ_ONLY)))
                    cursor.execute(b"BEGIN; " + settings)
                    conn.give_up_at = give_up_at
                    answer = work(Tx(cursor))
                    cursor.execute("COMMIT")
                    return answer
            except psycopg2.Error as error:
                if not _is_transient(error) or attempt == ATTEMPTS or monotonic() >= give_up_at:
                    raise _translated(error) from error
                log.warning("transaction run again", extra={"pgcode": error.pgcode, "attempt": attempt})
                attempt += 1

    @contextmanager
    def _connection(self, give_up_at: float) -> Iterator[Connection]:
        if not self._slots.acquire(timeout=max(0.0, give_up_at - monotonic())):
            raise errors.Unavailable("The database is busy.", code="database_busy")
        try:
            conn = self._take(give_up_at)
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

    def _take(self, give_up_at: float) -> Connection:
        with self._lock:
            conn = self._idle.pop() if self._idle else None
        if conn is not None:
            conn.give_up_at = min(give_up_at, monotonic() + FIRST_ANSWER_S)
            return conn
        try:
            conn = connect(
                self._url,
                give_up_at=min(give_up_at, monotonic() + CONNECT_S),
                takes_owner=self.takes_owner,
            )
        except psycopg2.Error as error:
            # This is not retried: the caller gets the error at once.
            raise (_away() if _is_lost(error) else _translated(error)) from error
        conn.give_up_at = give_up_at
        return conn

    def _discard_all(self, conn: Connection) -> None:
        """Close the connection and all idle ones, which are as dead as this one after the server was lost."""
        conn.close()
        self.close()

    def _give_back(self, conn: Connection) -> None:
        """Keep the connection for the next transaction, or close it if it cannot be used again."""
        conn.roll_back()
        if conn.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            conn.close()
            return
        with self._lock:
            self._idle.append(conn)


class OperatorsDatabase(Database):
    """The database as its owner sees it, with all users' rows. For an operator's commands, never for a request."""

    takes_owner = True

    def transact_as_operator(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on all users' rows. The role must be a member of collections_operator, as the owner is."""
        return self._retrying(work, ("app.user_id", ""), None)


def _is_transient(error: psycopg2.Error) -> bool:
    return _is_lost(error) or error.pgcode in ("40001", "40P01")


def _is_lost(error: psycopg2.Error) -> bool:
    # After a crash the first use can raise without a code, while the connection still counts as open.
    code = error.pgcode
    if code is None:
        return (
            isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
            or type(error) is psycopg2.DatabaseError
        )
    return code in _SHUTDOWN or code in _NOT_PREPARED or code.startswith("08")


def _translated(error: psycopg2.Error) -> Exception:
    code = error.pgcode or ""
    if isinstance(error, TimeUp) or code in ("57014", "55P03"):
        return errors.Unavailable(
            "The database did not answer in time; try again soon.", code="database_timeout"
        )
    if _is_transient(error) or code.startswith("53"):
        return _away()
    if code in _NOT_MIGRATED:
        return errors.Misconfigured("The database is not migrated to this release.", code="database_schema")
    if code == "23505":
        return errors.Conflict("It exists already.")
    if code == "UD410":  # migration 0021_account_deletions
        return errors.NotFound("This account was deleted.", code="account_deleted")
    return error


def _away() -> errors.Unavailable:
    return errors.Unavailable("The database is not available; try again soon.", code="database_unavailable")
