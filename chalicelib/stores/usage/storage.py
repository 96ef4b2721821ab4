"""Sum of a user's stored bytes: objects that have come or are announced, and what is derived from them."""

from collections.abc import Sequence

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def lock(tx: Tx, user_id: str) -> None:
    """Let nobody else who locks it announce an object of the user's until this transaction ends."""
    tx.one(SQL["lock"], user_id=user_id)


def sum_bytes(tx: Tx, user_id: str, *, except_keys: Sequence[str] = ()) -> int:
    """Return the bytes that the user stores, without those of the objects `except_keys`."""
    return int(tx.all(SQL["sum"], user_id=user_id, except_keys=list(except_keys))[0]["bytes"])
