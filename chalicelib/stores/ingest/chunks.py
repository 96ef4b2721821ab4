"""Chunks: the only place where an item's text is stored."""

from collections.abc import Sequence

from chalicelib.model.ingest.chunking import ChunkDraft, StoredChunk, chunk_pages
from chalicelib.model.ingest.files import Page
from chalicelib.model.library.items import ItemRef
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, ref: ItemRef, source: str, drafts: Sequence[ChunkDraft]) -> None:
    rows = [
        (ref.user_id, ref.item_id, source, d.ordinal, d.page, d.char_start, d.char_end, d.text)
        for d in drafts
    ]
    if rows:
        tx.run_many(SQL["insert"], rows)


def delete(tx: Tx, ref: ItemRef, sources: Sequence[str]) -> None:
    """Delete chunks with their vectors and postings. Call index.remove_item first: it updates the statistics."""
    tx.run(SQL["delete"], user_id=ref.user_id, item_id=ref.item_id, sources=list(sources))


def replace_page(tx: Tx, ref: ItemRef, page: Page) -> None:
    """Replace all that is stored of the page by the text that was read from its scan."""
    tx.run(SQL["delete_page"], user_id=ref.user_id, item_id=ref.item_id, page=page.number)
    row = tx.all(SQL["next_ordinal"], user_id=ref.user_id, item_id=ref.item_id, source="ocr")[0]
    insert(tx, ref, "ocr", chunk_pages([page], first_ordinal=row["ordinal"]))


def extent(tx: Tx, ref: ItemRef) -> tuple[int, int]:
    """Return how much of a document is stored: the number of chunks, and their size as model.files.text_size counts."""
    row = tx.all(SQL["extent"], user_id=ref.user_id, item_id=ref.item_id)[0]
    return int(row["chunks"]), int(row["size"])


def list_page(tx: Tx, ref: ItemRef, *, after: int, limit: int) -> list[StoredChunk]:
    """Return the item's chunks behind the id `after`, in order."""
    page = {"after": after, "limit": limit}
    return tx.rows(StoredChunk, SQL["list"], user_id=ref.user_id, item_id=ref.item_id, **page)


def list_of_page(tx: Tx, ref: ItemRef, page: int) -> list[StoredChunk]:
    """Return the chunks of one page, source by source, each in the order of its offsets."""
    return tx.rows(StoredChunk, SQL["list_of_page"], user_id=ref.user_id, item_id=ref.item_id, page=page)


def opening_text(tx: Tx, ref: ItemRef, *, max_chars: int) -> str:
    """Return the first characters of the item's own text and of the text read from its scans; "" if there is none."""
    row = tx.one(SQL["opening_text"], user_id=ref.user_id, item_id=ref.item_id, max_chars=max_chars)
    return (row and row["text"]) or ""


def list_unembedded(tx: Tx, ref: ItemRef, *, set_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Return (id, text) of the chunks behind the id `after` that have no vector in the set, in order."""
    values = {"set_id": set_id, "after": after, "limit": limit}
    found = tx.all(SQL["list_unembedded"], user_id=ref.user_id, item_id=ref.item_id, **values)
    return [(row["id"], row["text"]) for row in found]
