"""What a user reads: items, their chunks and timeline, uploads."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.errors import InvalidInput
from chalicelib.model.items import decode_cursor, encode_cursor
from chalicelib.model.pipeline import ItemRef
from chalicelib.stores import chunks, collections, items, uploads
from chalicelib.stores.items import ItemFilters as ItemFilters
from chalicelib.stores.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database


def list_items(
    user_id: str, filters: ItemFilters, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[Row], str | None]:
    """A page of items with their analyses, newest first, and the cursor of the next page.

    Raises NotFound, naming the field, for a collection that there is not.
    """
    since, until = window_in_utc(filters.since, filters.until)
    filters = replace(filters, since=since, until=until)
    position = decode_cursor(after) if after else None

    def read(tx: Tx) -> list[Row]:
        if filters.collection_id is not None:
            collections.get(tx, user_id, filters.collection_id, field="collection_id")
        return items.list_filtered(tx, user_id, filters, after=position, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, encode_cursor(last["created_at"], last["id"]) if last else None


def window_in_utc(
    since: datetime | None, until: datetime | None, *, path: str = ""
) -> tuple[datetime | None, datetime | None]:
    """Both in UTC, as Postgres takes no offset of 16 hours or more.

    Raises InvalidInput, naming the field under `path`, for a window that is empty or beyond the calendar.
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


def read_item(ref: ItemRef, *, db: "Database") -> Row:
    """The item with its current analysis. Raises NotFound."""
    return db.transact(ref.user_id, lambda tx: items.get_with_analysis(tx, ref))


def list_chunks(ref: ItemRef, *, after: int, limit: int, db: "Database") -> tuple[list[Row], str | None]:
    """A page of the item's chunks in order, and the cursor of the next page. Raises NotFound."""
    _, rows = db.transact(
        ref.user_id, lambda tx: (items.get(tx, ref), chunks.list_page(tx, ref, after=after, limit=limit + 1))
    )
    page, last = cut_page(rows, limit)
    return page, str(last["id"]) if last else None


def read_timeline(ref: ItemRef, *, after: int, limit: int, db: "Database") -> tuple[list[Row], str | None]:
    """A page of what happened to the item, in order, and the cursor of the next page. Raises NotFound."""
    _, rows = db.transact(
        ref.user_id, lambda tx: (items.get(tx, ref), items.timeline(tx, ref, after=after, limit=limit + 1))
    )
    page, last = cut_page(rows, limit)
    return page, str(last["id"]) if last else None


def read_upload(user_id: str, upload_id: str, *, db: "Database") -> Row:
    """Raises NotFound."""
    return db.transact(user_id, lambda tx: uploads.get(tx, user_id, upload_id))


def cut_page(rows: list[Row], limit: int) -> tuple[list[Row], Row | None]:
    """(the page, its last row when another page follows); rows were read with limit + 1."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None
