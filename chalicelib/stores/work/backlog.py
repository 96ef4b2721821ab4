"""How long the oldest of what is to be done has waited. System transactions only."""

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Ages(Struct, frozen=True, kw_only=True):
    """Seconds since it was due: of the oldest event that is not published, of the oldest task that nobody works on."""

    outbox_s: float
    work_s: float


def get_ages(tx: Tx) -> Ages:
    """Return the ages, 0 where nothing is due."""
    row = tx.one(SQL["get_ages"])
    assert row is not None
    return Ages(outbox_s=max(0.0, row["outbox_s"]), work_s=max(0.0, row["work_s"]))
