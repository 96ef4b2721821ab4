"""Pages of lists: their cursors, their ends, and the window of time they are of."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from chalicelib.errors import InvalidInput
from chalicelib.model.text import UNSTORABLE

T = TypeVar("T")


def cut_page(rows: list[T], limit: int) -> tuple[list[T], T | None]:
    """Return (the page, its last row when another page follows) of rows that were read with limit + 1."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def encode_cursor(created_at: datetime, item_id: str) -> str:
    """Return the cursor of what stands behind this row: URL-safe base64 of its time and id."""
    raw = json.dumps([created_at.isoformat(), item_id]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Return (created_at, id) of a cursor. Raise InvalidInput for anything that encode_cursor did not make."""
    try:
        raw: Any = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        at, item_id = raw
        parsed = datetime.fromisoformat(at)
        if not isinstance(item_id, str) or UNSTORABLE.search(item_id) or parsed.tzinfo is None:
            raise ValueError(cursor)
        parsed = parsed.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidInput(
            "This is no cursor of this list: take the `next` of its last page.", field="after"
        ) from error
    return parsed, item_id


def window_in_utc(
    since: datetime | None, until: datetime | None, *, path: str = ""
) -> tuple[datetime | None, datetime | None]:
    """Return both in UTC: Postgres takes no offset of 16 hours or more.

    Raise InvalidInput, naming the field under `path`, for a window that is empty or beyond the calendar.
    """
    moments = []
    for name, moment in (("since", since), ("until", until)):
        try:
            moments.append(moment and moment.astimezone(UTC))
        except OverflowError as error:
            raise InvalidInput("It is beyond the calendar.", field=f"{path}{name}") from error
    if since and until and since >= until:
        raise InvalidInput("It must be later than `since`.", field=f"{path}until")
    return moments[0], moments[1]
