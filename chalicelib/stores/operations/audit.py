"""The audit log: what operators did. Operator's transactions only; rows are added and never changed."""

from datetime import datetime

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Entry(Struct, frozen=True, kw_only=True):
    """One command. `request_id` is that of the function's call, which CloudTrail knows the caller of."""

    at: datetime
    command: str
    email: str | None
    request_id: str


def insert(tx: Tx, *, command: str, email: str | None, request_id: str) -> None:
    tx.run(SQL["insert"], command=command, email=email, request_id=request_id)


def list_latest(tx: Tx, *, limit: int) -> list[Entry]:
    """Return the latest commands, newest first."""
    return tx.rows(Entry, SQL["list_latest"], limit=limit)
