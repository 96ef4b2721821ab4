"""Read what a user has: items, their chunks and timeline, uploads."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.model.ingest.chunking import StoredChunk
from chalicelib.model.ingest.uploads import StoredUpload
from chalicelib.model.library.items import DescribedItem, ItemEvent, ItemFilters, ItemRef
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor, window_in_utc
from chalicelib.stores.ingest import chunks, uploads
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


def list_items(
    user_id: str, filters: ItemFilters, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[DescribedItem], str | None]:
    """Return a page of items with their analyses, newest first, and the cursor of the next page.

    Raise NotFound, with the field's name, when the collection does not exist.
    """
    since, until = window_in_utc(filters.since, filters.until)
    filters = replace(filters, since=since, until=until)
    position = decode_cursor(after) if after else None

    def read(tx: Tx) -> list[DescribedItem]:
        if filters.collection_id is not None:
            collections.get(tx, user_id, filters.collection_id, field="collection_id")
        return items.list_filtered(tx, user_id, filters, after=position, limit=limit + 1)

    # Only the search for a text may take long, and only a collection is looked up by a statement of its own.
    ask = db.transact if filters.text or filters.collection_id is not None else db.read
    page, last = cut_page(ask(user_id, read), limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def read_item(ref: ItemRef, *, db: "Database") -> DescribedItem:
    """Return the item with its current analysis. Raise NotFound."""
    return db.read(ref.user_id, lambda tx: items.get_with_analysis(tx, ref))


def list_chunks(
    ref: ItemRef, *, after: int, limit: int, db: "Database"
) -> tuple[list[StoredChunk], str | None]:
    """Return a page of the item's chunks in order, and the cursor of the next page. Raise NotFound."""
    _, rows = db.transact(
        ref.user_id, lambda tx: (items.get(tx, ref), chunks.list_page(tx, ref, after=after, limit=limit + 1))
    )
    page, last = cut_page(rows, limit)
    return page, str(last.id) if last else None


def read_timeline(
    ref: ItemRef, *, after: int, limit: int, db: "Database"
) -> tuple[list[ItemEvent], str | None]:
    """Return a page of what happened to the item, in order, and the cursor of the next page. Raise NotFound."""
    _, rows = db.transact(
        ref.user_id, lambda tx: (items.get(tx, ref), items.timeline(tx, ref, after=after, limit=limit + 1))
    )
    page, last = cut_page(rows, limit)
    return page, str(last.id) if last else None


def read_upload(user_id: str, upload_id: str, *, db: "Database") -> StoredUpload:
    """Return the upload. Raise NotFound."""
    return db.read(user_id, lambda tx: uploads.get(tx, user_id, upload_id))
