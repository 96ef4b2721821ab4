"""The audit log: what operators and administrators did. Rows are added and never changed.

Operators' rows are written in operator's transactions, administrators' in their own; system's transactions read all.
"""

from datetime import datetime

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Entry(Struct, frozen=True, kw_only=True):
    """One command of an operator, whose `request_id` is that of the function's call: CloudTrail knows who called.

    Or one request of an administrator: `actor` is their user id, `detail` the request's parameters as JSON.
    """

    id: int
    at: datetime
    command: str
    email: str | None
    request_id: str
    actor: str | None
    detail: str | None


def insert(
    tx: Tx,
    *,
    command: str,
    request_id: str,
    email: str | None = None,
    actor: str | None = None,
    detail: str | None = None,
) -> None:
    tx.run(SQL["insert"], command=command, email=email, request_id=request_id, actor=actor, detail=detail)


def list_page(tx: Tx, *, before: int | None = None, limit: int) -> list[Entry]:
    """Return the entries before this id, newest first."""
    return tx.rows(Entry, SQL["list"], before=before, limit=limit)
