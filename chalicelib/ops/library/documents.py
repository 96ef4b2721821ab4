"""Stores, lists, finds and deletes a user's documents; reads and draws their pages."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from chalicelib.errors import BadFile, Conflict, InvalidInput, NotFound
from chalicelib.model.ingest.files import REASONS, SNIFF_BYTES, sniff_media_type
from chalicelib.model.library.documents import PDF, DocumentFilters, StoredDocument
from chalicelib.model.library.items import ItemRef, StoredItem
from chalicelib.model.library.page_text import join_chunks, shown_span
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.ops.ingest.ingest import Arrival, failed_in_passing, register_bytes
from chalicelib.ops.ingest.manage import delete_item, object_key
from chalicelib.ops.usage.storage import require_storage
from chalicelib.providers import LendRender
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import chunks, uploads
from chalicelib.stores.library import collections, documents, items
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.local_copies import LocalCopies
    from chalicelib.stores.postgres.postgres import Database

UPLOAD_TTL_S = 900
THUMBNAIL_PX = 320  # wide: twice what a list shows
THUMBNAIL_TIMEOUT_S = (
    3.0  # a thumbnail does not count as a costly request, so it may take less time than a whole page
)
Source = Literal["text", "ocr"]


class PageText(Struct, frozen=True, kw_only=True):
    """The text of a page. `source` tells where it comes from: the PDF itself, or a scan that was read.

    Without text, `text` is "" and `source` None. `is_unread`: the page is a scan that has not been read yet, or that
    is beyond the number of scans that are read.
    """

    number: int
    page_count: int
    text: str
    source: Source | None
    is_unread: bool


def create_document(
    user_id: str,
    *,
    folder: str,
    filename: str,
    body: bytes,
    max_stored_bytes: int | None,
    db: "Database",
    blobs: "Blobs",
) -> tuple[StoredDocument, bool]:
    """Store the PDF, and return its document and whether the document is new.

    S3's own event starts the processing. If this crashes midway, the sweep finds the object. `folder` is as in
    uploads.announce_upload. Raise BadFile for bytes that are not a PDF, TooLarge for more than is left of
    `max_stored_bytes`.
    """
    if sniff_media_type(body[:SNIFF_BYTES]) != PDF:
        raise BadFile("This is not a PDF, whatever its name says.", code="unsupported_format")
    key, sha256 = object_key(user_id, folder, filename), hashlib.sha256(body).hexdigest()

    def announce(tx: Tx) -> StoredDocument | None:
        users.ensure(tx, user_id)
        known = documents.find_by_hash(tx, user_id, sha256)
        if known is not None and not failed_in_passing(known):
            return known
        require_storage(tx, key, len(body), limit_bytes=max_stored_bytes)
        uploads.insert(tx, key, content_type=PDF, size_bytes=len(body), sha256=sha256, ttl_s=UPLOAD_TTL_S)
        return None

    known = db.transact(user_id, announce)
    if known is not None:
        return known, False
    arrival = Arrival(key=key, etag=blobs.put(key.key, body, content_type=PDF))
    ref, is_new = register_bytes(arrival, sha256=sha256, size_bytes=len(body), db=db)
    if ref is None:
        raise Conflict("This document is being deleted right now.")
    return read_document(user_id, ref.item_id, db=db), is_new


def list_documents(
    user_id: str, filters: DocumentFilters, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredDocument], str | None]:
    """Return a page of documents, newest first, and the cursor of the next page.

    Raise NotFound, with the field's name, when the collection does not exist.
    """
    position = decode_cursor(after) if after else None

    def read(tx: Tx) -> list[StoredDocument]:
        if filters.collection_id is not None:
            collections.get(tx, user_id, filters.collection_id, field="collection_id")
        return documents.list_filtered(tx, user_id, filters, after=position, limit=limit + 1)

    page, last = cut_page(db.transact(user_id, read), limit)
    return page, encode_cursor(last.upload_date, last.document_id) if last else None


def read_document(user_id: str, document_id: str, *, db: "Database") -> StoredDocument:
    """Return the document. Raise NotFound, also when the item is an image."""
    return db.transact(user_id, lambda tx: documents.get(tx, user_id, document_id))


def read_document_item(ref: ItemRef, *, db: "Database") -> StoredItem:
    """Return the document's item. Raise NotFound, also when it is an image."""

    def read(tx: Tx) -> StoredItem:
        documents.get(tx, ref.user_id, ref.item_id)
        return items.get(tx, ref)

    return db.transact(ref.user_id, read)


def read_document_by_hash(user_id: str, file_hash: str, *, db: "Database") -> StoredDocument:
    """Return the document whose bytes have this SHA-256. Raise NotFound."""
    document = db.transact(user_id, lambda tx: documents.find_by_hash(tx, user_id, file_hash))
    if document is None:
        raise NotFound("There is no document with this SHA-256.")
    return document


def delete_document(user_id: str, document_id: str, *, db: "Database", blobs: "Blobs") -> None:
    """Delete the document as manage.delete_item does. Raise NotFound, also when the item is an image."""
    read_document(user_id, document_id, db=db)
    delete_item(ItemRef(user_id=user_id, item_id=document_id), db=db, blobs=blobs)


def read_page(ref: ItemRef, number: int, *, db: "Database") -> PageText:
    """Return the page's text.

    Raise NotFound for a page beyond the last; Conflict "not_ready" while the page is not read, and "not_readable" when
    it never will be.
    """
    return db.transact(ref.user_id, lambda tx: _read_page(tx, ref, number))


def render_page(
    ref: ItemRef,
    number: int,
    *,
    width_px: int,
    highlights: Sequence[tuple[int, int]],
    db: "Database",
    copies: "LocalCopies",
    lend: LendRender,
) -> bytes:
    """Return the page as a JPEG with these parts of its text marked. A scan stays unmarked: its text has no positions.

    Raises as read_page does, InvalidInput for a part that the text does not have, and Unavailable when too many pages
    are being drawn.
    """

    def read(tx: Tx) -> tuple[PageText, StoredItem]:
        return _read_page(tx, ref, number), items.get(tx, ref)

    page, item = db.transact(ref.user_id, read)
    assert item.sha256, "its file has been decoded"
    for start, end in highlights:
        if not start < end <= len(page.text):
            raise InvalidInput(f"The page's text has {len(page.text)} characters.", field="highlight")
    marked = highlights if page.source == "text" else ()
    spans = [shown_span(page.text, start, end) for start, end in marked]
    with lend(ref.user_id) as render, copies.open(ref.user_id, item.key, sha256=item.sha256) as path:
        return render(path, number, width_px=width_px, spans=spans)


def render_thumbnail(
    ref: ItemRef, number: int, *, db: "Database", copies: "LocalCopies", lend: LendRender
) -> bytes:
    """Return the page as a JPEG THUMBNAIL_PX wide. Raise as read_page does, Unavailable after THUMBNAIL_TIMEOUT_S."""

    def read(tx: Tx) -> StoredItem:
        _require_read(documents.get(tx, ref.user_id, ref.item_id), number)
        return items.get(tx, ref)

    item = db.transact(ref.user_id, read)
    assert item.sha256, "its file has been decoded"
    with lend(ref.user_id) as render, copies.open(ref.user_id, item.key, sha256=item.sha256) as path:
        return render(path, number, width_px=THUMBNAIL_PX, timeout_s=THUMBNAIL_TIMEOUT_S)


def _read_page(tx: Tx, ref: ItemRef, number: int) -> PageText:
    document = documents.get(tx, ref.user_id, ref.item_id)
    page_count = _require_read(document, number)
    texts: dict[str, list[tuple[int, str]]] = {}
    for chunk in chunks.list_of_page(tx, ref, number):
        texts.setdefault(chunk.source, []).append((chunk.char_start, chunk.text))
    source: Source | None = "text" if "text" in texts else "ocr" if "ocr" in texts else None
    return PageText(
        number=number,
        page_count=page_count,
        text=join_chunks(texts[source]) if source else "",
        source=source,
        is_unread=number in document.unread_pages,
    )


def _require_read(document: StoredDocument, number: int) -> int:
    """Return how many pages the document has. Raise Conflict or NotFound unless the text of page `number` is stored."""
    status, page_count, pages_read = document.status, document.page_count, document.pages_read
    if status == "FAILED" and (not document.is_read or document.failure_code in REASONS):
        raise Conflict(f"This document cannot be read: {document.failure_message}", code="not_readable")
    if not document.is_read or page_count is None:
        raise Conflict(f"This document is not read yet, it is {status}; try again later.", code="not_ready")
    if not 1 <= number <= page_count:
        raise NotFound(f"There is no page {number}; the last is {page_count}.", field="n")
    # At 0 the document is being read again, and the text of the earlier reading is still stored.
    if 0 < pages_read < number:
        raise Conflict(f"Page {number} is not read yet, it is {status}; try again later.", code="not_ready")
    return page_count
