"""Cuts lists into pages: cursors, the end of a page, and the window of time that a list covers."""

import base64
import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from chalicelib.errors import InvalidInput
from chalicelib.model.ids import checked_uuid
from chalicelib.model.text import UNSTORABLE

T = TypeVar("T")


def cut_page(rows: list[T], limit: int) -> tuple[list[T], T | None]:
    """Return the page and its last row, or None for the row if this is the last page. `rows` has up to limit + 1."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def encode_cursor(created_at: datetime, item_id: str) -> str:
    """Return the cursor of the page after this row: URL-safe base64 of the row's time and id."""
    return encode_json([created_at.isoformat(), item_id])


def encode_json(value: Any) -> str:
    """Return a JSON value as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def decode_json(cursor: str) -> Any:
    """Return the value that encode_json was given. Raise ValueError for any other text."""
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Return (created_at, id) of a cursor. Raise InvalidInput for a text that encode_cursor cannot have made."""
    try:
        at, item_id = decode_json(cursor)
        parsed = datetime.fromisoformat(at)
        if not isinstance(item_id, str) or UNSTORABLE.search(item_id) or parsed.tzinfo is None:
            raise ValueError(cursor)
        parsed = parsed.astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(
            "This is not a cursor of this list; use `next` of the page before.", field="after"
        ) from error
    return parsed, item_id


def uuid_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Like decode_cursor, of a list whose ids are UUIDs; None for the first page."""
    if not cursor:
        return None
    position = decode_cursor(cursor)
    checked_uuid(position[1], InvalidInput("This cursor is not one of ours.", field="after"))
    return position


def window_in_utc(
    since: datetime | None, until: datetime | None, *, path: str = ""
) -> tuple[datetime | None, datetime | None]:
    """Return both ends of a window in UTC, as Postgres refuses offsets of 16 hours or more.

    Raise InvalidInput for an empty window, or one that leaves the years 1 to 9999. It names the field under `path`.
    """
    moments = []
    for name, moment in (("since", since), ("until", until)):
        try:
            moments.append(moment and moment.astimezone(UTC))
        except OverflowError as error:
            raise InvalidInput(
                f"{name} must be in the years 1 to 9999, in UTC.", field=f"{path}{name}"
            ) from error
    if since and until and since >= until:
        raise InvalidInput("until must be later than since.", field=f"{path}until")
    return moments[0], moments[1]
