"""Users, the tenants that own all other rows."""

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def ensure(tx: Tx, user_id: str) -> None:
    """Make the user if it is missing: an upload under <user>/ needs no registration."""
    tx.run(SQL["ensure"], user_id=user_id)
