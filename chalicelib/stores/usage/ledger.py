"""The ledger of models' calls. Rows are added and never changed."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import asdict

from chalicelib.model.usage.usage import Call, Group, Grouping, Owner, Spent, Sums
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


def list_groups(
    tx: Tx, user_id: str | None, *, by: Grouping, since: datetime, until: datetime, skipped: int, limit: int
) -> list[Group]:
    """Return the sums of a user's calls by `by`, without the first `skipped`: days newest first, others dearest first.

    Without a user, of all users'; that takes a system transaction.
    """
    page = {"by": by, "skipped": skipped, "limit": limit}
    return tx.rows(Group, SQL["list_groups"], user_id=user_id, since=since, until=until, **page)


def sum_between(tx: Tx, user_id: str | None, *, since: datetime, until: datetime) -> Sums:
    """Return the sums of a user's calls; without a user, of all users', in a system transaction."""
    return tx.rows(Sums, SQL["sum"], user_id=user_id, since=since, until=until)[0]
