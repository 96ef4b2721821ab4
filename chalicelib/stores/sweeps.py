"""The operator's tables: where the sweeps stand, and the dead letters. System transactions only."""

import json
from typing import Any

from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def get_position(tx: Tx, name: str) -> str:
    row = tx.one(SQL["get_position"], name=name)
    return str(row["position"]) if row else ""


def set_position(tx: Tx, name: str, position: str) -> None:
    tx.run(SQL["set_position"], name=name, position=position)


def insert_dead_letter(
    tx: Tx,
    *,
    message_id: str,
    function: str,
    user_id: str | None,
    item_id: str | None,
    reason: str,
    error: str,
    payload: Any,
) -> bool:
    """Record it once; answers whether it was new."""
    return bool(
        tx.run(
            SQL["insert_dead_letter"],
            message_id=message_id,
            function=function,
            user_id=user_id,
            item_id=item_id,
            reason=reason,
            error=error,
            payload=json.dumps(payload, allow_nan=False),
        )
    )


def list_dead_letters(tx: Tx, *, limit: int) -> list[Row]:
    return tx.all(SQL["list_dead_letters"], limit=limit)
