"""Keeps what operators and administrators do: a row before each action, so that nothing is done without one."""

from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.logs import redact
from chalicelib.model.paging import cut_page
from chalicelib.stores.operations import audit

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database, OperatorsDatabase

SHOWN = 100
MAX_DETAIL_CHARS = 4_000


def record_command(command: str, *, email: str, request_id: str, db: "OperatorsDatabase") -> None:
    db.transact_as_operator(
        lambda tx: audit.insert(tx, command=command, email=email or None, request_id=request_id)
    )


def record_request(
    action: str, parameters: dict[str, Any], *, user_id: str, request_id: str, db: "Database"
) -> None:
    """Keep what an administrator is about to do through the API, without secrets."""
    detail = redact(msgspec.json.encode(parameters).decode())[:MAX_DETAIL_CHARS]
    db.transact(
        user_id,
        lambda tx: audit.insert(tx, command=action, request_id=request_id, actor=user_id, detail=detail),
    )


def list_actions(*, before: int | None, limit: int, db: "Database") -> tuple[list[audit.Entry], int | None]:
    """Return a page of what was done, newest first, and the id before which the next page begins."""
    rows = db.transact_as_system(lambda tx: audit.list_page(tx, before=before, limit=limit + 1))
    page, last = cut_page(rows, limit)
    return page, last.id if last else None


def list_commands(*, db: "OperatorsDatabase") -> str:
    """Return the latest actions, a line each, newest first."""
    entries = db.transact_as_operator(lambda tx: audit.list_page(tx, limit=SHOWN))
    return "\n".join(map(_line, entries)) or "nothing yet"


def _line(entry: audit.Entry) -> str:
    by = f" by {entry.actor} {entry.detail}" if entry.actor else ""
    return f"{entry.at:%Y-%m-%d %H:%M:%S} {entry.command} {entry.email or '-'} {entry.request_id}{by}"
