"""Positions of the sweeps, from which the next one goes on. System transactions only."""

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def get_position(tx: Tx, name: str) -> str:
    row = tx.one(SQL["get_position"], name=name)
    return str(row["position"]) if row else ""


def set_position(tx: Tx, name: str, position: str) -> None:
    tx.run(SQL["set_position"], name=name, position=position)
