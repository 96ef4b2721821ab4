"""Users as the tenants of everything else."""

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def ensure(tx: Tx, user_id: str) -> None:
    """Make the user known; a bare PUT under <user>/ is enough to exist."""
    tx.run(SQL["ensure"], user_id=user_id)
