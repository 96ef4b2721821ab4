"""Items, their analyses and their timeline."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.errors import Conflict, NotFound
from chalicelib.model.library.items import (
    Analysis,
    DescribedItem,
    ItemEvent,
    ItemFilters,
    ItemRef,
    ObjectKey,
    Status,
    StoredItem,
)
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Content(Struct, frozen=True, kw_only=True):
    """The number of pages of an item's bytes that are read. `page_count` is None before the first batch."""

    pages_read: int
    page_count: int | None


def insert(tx: Tx, key: ObjectKey, *, etag: str | None, preferred: str | None = None) -> str:
    """Make a pending item for an object and return its id: the preferred one if it is free, else see ObjectKey.ids."""
    for item_id in (*((preferred,) if preferred else ()), *key.ids(etag)):
        row = tx.one(SQL["insert"], user_id=key.user_id, id=item_id, key=key.key, name=key.name, etag=etag)
        if row:
            return item_id
    raise Conflict("An item with this name is being made at this moment; try again.")


def get(tx: Tx, ref: ItemRef, *, field: str = "") -> StoredItem:
    """Return the item. Raise NotFound, naming the request's `field` that has the id."""
    item = find(tx, ref)
    if item is None:
        raise NotFound("There is no such item.", field=field)
    return item


def find(tx: Tx, ref: ItemRef) -> StoredItem | None:
    return tx.row(StoredItem, SQL["find"], user_id=ref.user_id, id=ref.item_id)


def lock(tx: Tx, ref: ItemRef) -> StoredItem:
    """Return the item, locked: nobody else changes it before this transaction ends. Raise NotFound."""
    item = tx.row(StoredItem, SQL["lock"], user_id=ref.user_id, id=ref.item_id)
    if item is None:
        raise NotFound("There is no such item.")
    return item


def require_all(tx: Tx, user_id: str, item_ids: Sequence[str], *, field: str) -> None:
    """Lock the items against deletion until the transaction ends. Raise NotFound; it names the missing items."""
    if missing := lock_known(tx, user_id, item_ids):
        named = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise NotFound(f"There are no such items: {named}.", field=field)


def lock_known(tx: Tx, user_id: str, item_ids: Sequence[str]) -> list[str]:
    """Lock the items against deletion until the transaction ends; return the ids that are of no item, each once."""
    rows = tx.all(SQL["lock_all"], user_id=user_id, ids=list(item_ids))
    found = {row["id"] for row in rows}
    return [item_id for item_id in dict.fromkeys(item_ids) if item_id not in found]


def get_with_analysis(tx: Tx, ref: ItemRef) -> DescribedItem:
    """Return the item with its current analysis. Raise NotFound."""
    item = tx.row(DescribedItem, SQL["get_with_analysis"], user_id=ref.user_id, id=ref.item_id)
    if item is None:
        raise NotFound("There is no such item.")
    return item


def find_by_sha256(tx: Tx, user_id: str, sha256: str) -> StoredItem | None:
    return tx.row(StoredItem, SQL["find_by_sha256"], user_id=user_id, sha256=sha256)


def lock_sha256(tx: Tx, user_id: str, sha256: str) -> None:
    """Lock the hash: until the transaction ends no other one decides which item has these bytes."""
    tx.one(SQL["lock_sha256"], user_id=user_id, sha256=sha256)


def list_filtered(
    tx: Tx, user_id: str, filters: ItemFilters, *, after: tuple[datetime, str] | None, limit: int
) -> list[DescribedItem]:
    """Return the items that match, newest first, each with its current analysis."""
    after_at, after_id = after or (None, None)
    values = {**asdict(filters), "text": filters.text and containing(filters.text)}
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(DescribedItem, SQL["list"], user_id=user_id, **page, **values)


def set_content(tx: Tx, ref: ItemRef, *, sha256: str, size_bytes: int, etag: str) -> Content:
    """Store the identity of the item's bytes. The caller holds lock_sha256 and has looked for a duplicate.

    Return how much of them is read: 0 pages, unless the same bytes are being read.
    """
    return tx.rows(
        Content,
        SQL["set_content"],
        user_id=ref.user_id,
        id=ref.item_id,
        sha256=sha256,
        size_bytes=size_bytes,
        etag=etag,
    )[0]


def set_pages_read(tx: Tx, ref: ItemRef, pages_read: int, *, before: int | None = None) -> bool:
    """Move the checkpoint. With `before`, move it only from there; False means that a retry found it moved."""
    values = {"pages_read": pages_read, "before": before}
    return tx.run(SQL["set_pages_read"], user_id=ref.user_id, id=ref.item_id, **values) > 0


def add_unread_pages(tx: Tx, ref: ItemRef, pages: Sequence[int]) -> None:
    """Add scanned pages to the unread pages; their numbers are higher than those of the known ones."""
    tx.run(SQL["add_unread_pages"], user_id=ref.user_id, id=ref.item_id, pages=list(pages))


def forget_unread_pages(tx: Tx, ref: ItemRef) -> None:
    """Clear the unread pages and the count of read ones."""
    tx.run(SQL["forget_unread_pages"], user_id=ref.user_id, id=ref.item_id)


def set_scan_read(tx: Tx, ref: ItemRef, page: int) -> None:
    """Remove the page from the unread pages. Idempotent."""
    tx.run(SQL["set_scan_read"], user_id=ref.user_id, id=ref.item_id, page=page)


def set_processed(tx: Tx, ref: ItemRef, **columns: Any) -> None:
    tx.run(SQL["set_processed"], user_id=ref.user_id, id=ref.item_id, **columns)


def set_status(tx: Tx, ref: ItemRef, status: Status) -> None:
    tx.run(SQL["set_status"], user_id=ref.user_id, id=ref.item_id, status=status)


def begin(tx: Tx, ref: ItemRef, status: Status) -> StoredItem:
    """Set the status of an item that a worker begins to work on, which the caller has locked; return it."""
    return tx.rows(StoredItem, SQL["begin"], user_id=ref.user_id, id=ref.item_id, status=status)[0]


def set_failed(tx: Tx, ref: ItemRef, *, code: str, message: str) -> None:
    tx.run(SQL["set_failed"], user_id=ref.user_id, id=ref.item_id, code=code, message=message)


def lock_many(tx: Tx, user_id: str, item_ids: Sequence[str]) -> None:
    """Lock the items, in one order, until the transaction ends."""
    tx.all(SQL["lock_many"], user_id=user_id, ids=list(item_ids))


def fail_all(tx: Tx, user_id: str, item_ids: Sequence[str], *, code: str, message: str) -> list[str]:
    """Have those of the items fail that are at work; return their ids. The items are locked before, in order."""
    lock_many(tx, user_id, item_ids)
    rows = tx.all(SQL["fail_all"], user_id=user_id, ids=list(item_ids), code=code, message=message)
    return [row["id"] for row in rows]


def restart(tx: Tx, ref: ItemRef, *, key: str, name: str, etag: str | None) -> None:
    """Set the item back to PENDING. If the etag changes, the bytes' identity is cleared."""
    tx.run(SQL["restart"], user_id=ref.user_id, id=ref.item_id, key=key, name=name, etag=etag)


def clear_derived(tx: Tx, ref: ItemRef) -> None:
    """Clear what was derived from the item's bytes: kind, pictures, identity."""
    tx.run(SQL["clear_derived"], user_id=ref.user_id, id=ref.item_id)


def move_key(tx: Tx, ref: ItemRef, key: str) -> None:
    """Make this object the one that the item's bytes are read from."""
    tx.run(SQL["move_key"], user_id=ref.user_id, id=ref.item_id, key=key)


def delete(tx: Tx, ref: ItemRef) -> int:
    """Delete the row and, by cascade, all that depends on it.

    Call index.remove_item first: it updates the statistics.
    """
    return tx.run(SQL["delete"], user_id=ref.user_id, id=ref.item_id)


def insert_analysis(tx: Tx, ref: ItemRef, analysis: Analysis) -> None:
    """Insert the item's current analysis; earlier ones stay as versions."""
    tx.run(SQL["retire_analysis"], user_id=ref.user_id, id=ref.item_id)
    columns = asdict(analysis) | {"labels": list(analysis.labels)}
    tx.run(SQL["insert_analysis"], user_id=ref.user_id, id=ref.item_id, **columns)


def note(
    tx: Tx,
    ref: ItemRef,
    event: str,
    *,
    stage: str | None = None,
    attempt: int | None = None,
    message: str | None = None,
) -> None:
    """Add a line to the item's timeline."""
    tx.run(
        SQL["note"],
        user_id=ref.user_id,
        id=ref.item_id,
        stage=stage,
        event=event,
        attempt=attempt,
        message=message,
    )


def timeline(tx: Tx, ref: ItemRef, *, after: int, limit: int) -> list[ItemEvent]:
    """Return the events of the item behind the id `after`, oldest first."""
    return tx.rows(ItemEvent, SQL["timeline"], user_id=ref.user_id, id=ref.item_id, after=after, limit=limit)


def containing(text: str) -> list[str]:
    """Return LIKE patterns for texts that contain this one, with its accents composed or decomposed."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return list(dict.fromkeys(f"%{unicodedata.normalize(form, escaped)}%" for form in ("NFC", "NFD")))
