"""Keeps what operators do: a row before each command, so that nothing is done without one."""

from typing import TYPE_CHECKING

from chalicelib.stores.operations import audit

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase

SHOWN = 100


def record_command(command: str, *, email: str, request_id: str, db: "OperatorsDatabase") -> None:
    db.transact_as_operator(
        lambda tx: audit.insert(tx, command=command, email=email or None, request_id=request_id)
    )


def list_commands(*, db: "OperatorsDatabase") -> str:
    """Return the latest commands, a line each, newest first."""
    entries = db.transact_as_operator(lambda tx: audit.list_latest(tx, limit=SHOWN))
    lines = (
        f"{each.at:%Y-%m-%d %H:%M:%S} {each.command} {each.email or '-'} {each.request_id}"
        for each in entries
    )
    return "\n".join(lines) or "nothing yet"
