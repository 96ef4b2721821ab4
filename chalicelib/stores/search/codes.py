"""Codes: a bit for each dimension of a vector, of owners of many vectors. The database keeps them (0031_codes)."""

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def code_next(tx: Tx, *, bound: int, at_most: int) -> bool:
    """Find owners of more than `bound` vectors, or make codes for `at_most` chunks of one of them. System transaction.

    Return False when there is nothing to do now.
    """
    row = tx.one(SQL["code_next"], bound=bound, at_most=at_most)
    return row is not None and row["n"] > 0
