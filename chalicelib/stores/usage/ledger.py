"""The ledger of models' calls. Rows are added and never changed."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import asdict

from chalicelib.model.usage.usage import Call, Owner, Spent
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, owner: Owner, calls: Sequence[Call]) -> None:
    """Add the calls, in order."""
    rows = [{**asdict(call), **asdict(call.usage)} for call in calls]
    tx.run(SQL["insert"], **asdict(owner), calls=msgspec.json.encode(rows).decode())


def sum_of_run(tx: Tx, user_id: str, run_id: str) -> Spent:
    """Return what the calls of a run have cost so far."""
    return tx.rows(Spent, SQL["sum_of_run"], user_id=user_id, run_id=run_id)[0]
