"""Reads an item's file: an image or a short document at once, a long document in batches of pages.

    first batch    stores pictures, metadata and the first pages; deletes what an earlier reading stored
    next batches   add their pages' text, each in a fenced transaction that moves items.pages_read
    last batch     is written by the caller, in the transaction that finishes the task

Texts of two readings are never stored together. Until the first batch is stored, the earlier reading is complete and
can be searched. After that the beginning of the new one is stored; it can be searched once it is embedded. Each batch
also stores which of its pages are scans; ops/ingest/read_scans.py reads those in the next stage.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import BadFile
from chalicelib.model.ingest.chunking import ChunkDraft, chunk_pages
from chalicelib.model.ingest.files import DecodedFile, FileLimits, Page, ReadBounds, scans_of, text_size
from chalicelib.model.library.items import ItemRef, StoredItem, derived_folder
from chalicelib.model.work.tasks import POLICIES, Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import FileReader
from chalicelib.stores.ingest import chunks, uploads
from chalicelib.stores.library import items
from chalicelib.stores.library.items import Content
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")
MIN_READ_S = 5.0  # no batch is started with less time than this
WRITE_S = 3.0  # time reserved to store a batch


class Progress(Struct, frozen=True, kw_only=True):
    """The stored part of a document: its first `pages`, in so many `chunks`. `text_size` is as in model.files."""

    pages: int = 0
    page_count: int = 0
    chunks: int = 0
    text_size: int = 0


class File(Struct, frozen=True, kw_only=True):
    """A downloaded file to read, its item, its SHA-256, and the media type announced for it, if any."""

    path: str
    item: StoredItem
    sha256: str
    announced_type: str | None


def read_file(
    claim: Claim,
    file: File,
    progress: Progress,
    *,
    db: "Database",
    blobs: "Blobs",
    reader: FileReader,
    limits: FileLimits,
    bounds: ReadBounds,
    time_left_s: Callable[[], float],
) -> WriteResults | None:
    """Read on after `progress`. Return the function that stores the last batch, or None when time runs out before it.

    Raise BadFile after deleting the stored text. Raise Unavailable if not one page could be read in time.
    """
    ref = claim.ref
    try:
        while True:
            left_s = time_left_s()
            in_time = replace(bounds, seconds=min(bounds.seconds, left_s - WRITE_S))
            if progress.pages == 0:
                decoded = reader.decode(file.path, file.announced_type, bounds=in_time, timeout_s=left_s)
                keys = _put_pictures(claim, file, decoded, blobs=blobs)
                write, progress = _first_batch(file.item, ref, decoded, *keys)
            else:
                left = limits.max_text_chars - progress.text_size
                pages = reader.read_pages(
                    file.path, progress.pages + 1, text_size_left=left, bounds=in_time, timeout_s=left_s
                )
                write, progress = _next_batch(ref, pages, progress)
            if progress.pages >= progress.page_count:
                return write
            db.transact(ref.user_id, _kept(claim, write))
            if time_left_s() < MIN_READ_S:
                return None
    except BadFile:
        if progress.pages:
            db.transact(ref.user_id, lambda tx: _forget_text(tx, claim))
        raise


def find_progress(tx: Tx, ref: ItemRef, content: Content) -> Progress:
    """Return how far the item has been read, with the size of the text that is stored."""
    if not content.pages_read:
        return Progress()
    count, size = chunks.extent(tx, ref)
    return Progress(
        pages=content.pages_read, page_count=content.page_count or 0, chunks=count, text_size=size
    )


def derived_objects(item: StoredItem) -> dict[str, str | None]:
    """Return the keys of the item's pictures as uploads.insert_deletions takes them, each with None for any etag."""
    return {key: None for key in (item.thumbnail_key, item.preview_key) if key is not None}


def plan_pictures(tx: Tx, claim: Claim, sha256: str) -> None:
    """Plan the deletion of the pictures before they are written. Storing the first batch cancels it."""
    planned = dict.fromkeys(_picture_keys(claim, sha256))
    uploads.insert_deletions(tx, claim.user_id, planned, after_s=2 * POLICIES[claim.kind].lease_s)


def _picture_keys(claim: Claim, sha256: str) -> tuple[str, str]:
    """Return the keys of thumbnail and preview."""
    folder = derived_folder(claim.user_id, claim.begun.created_at, claim.begun.generation, sha256)
    return f"{folder}/thumbnail.jpg", f"{folder}/preview.jpg"


def _put_pictures(claim: Claim, file: File, decoded: DecodedFile, *, blobs: "Blobs") -> tuple[str, str]:
    """Store thumbnail and preview, whose deletion is planned, and return their keys."""
    thumbnail_key, preview_key = _picture_keys(claim, file.sha256)
    blobs.put(thumbnail_key, decoded.thumbnail_jpeg, content_type="image/jpeg")
    blobs.put(preview_key, decoded.preview_jpeg, content_type="image/jpeg")
    log.info("thumbnail created", extra={"kind": decoded.kind, "page_count": decoded.page_count})
    return thumbnail_key, preview_key


def _first_batch(
    item: StoredItem, ref: ItemRef, decoded: DecodedFile, thumbnail_key: str, preview_key: str
) -> tuple[WriteResults, Progress]:
    start = Progress(page_count=decoded.page_count)
    drafts, progress = _advance(start, decoded.pages)

    def write(tx: Tx) -> None:
        uploads.insert_deletions(tx, ref.user_id, derived_objects(item))
        uploads.delete_deletions(tx, [thumbnail_key, preview_key])
        index.remove_item(tx, ref)
        chunks.delete(tx, ref, ["text", "caption", "ocr"])
        items.set_processed(
            tx,
            ref,
            kind=decoded.kind,
            media_type=decoded.media_type,
            width_px=decoded.width_px,
            height_px=decoded.height_px,
            page_count=decoded.page_count,
            pages_read=progress.pages,
            unread_pages=scans_of(decoded.pages),
            title=decoded.title,
            taken_at=decoded.taken_at,
            camera=decoded.camera,
            latitude=decoded.latitude,
            longitude=decoded.longitude,
            thumbnail_key=thumbnail_key,
            preview_key=preview_key,
            derived_bytes=len(decoded.thumbnail_jpeg) + len(decoded.preview_jpeg),
        )
        chunks.insert(tx, ref, "text", drafts)

    return write, progress


def _next_batch(ref: ItemRef, pages: tuple[Page, ...], before: Progress) -> tuple[WriteResults, Progress]:
    drafts, progress = _advance(before, pages)

    def write(tx: Tx) -> None:
        if items.set_pages_read(tx, ref, progress.pages, before=before.pages):
            items.add_unread_pages(tx, ref, scans_of(pages))
            chunks.insert(tx, ref, "text", drafts)

    return write, progress


def _advance(before: Progress, pages: tuple[Page, ...]) -> tuple[list[ChunkDraft], Progress]:
    drafts = chunk_pages(pages, first_ordinal=before.chunks)
    return drafts, replace(
        before,
        pages=pages[-1].number if pages else before.page_count,
        chunks=before.chunks + len(drafts),
        text_size=before.text_size + sum(text_size(page.text) for page in pages),
    )


def _kept(claim: Claim, write: WriteResults) -> WriteResults:
    def keep(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        write(tx)

    return keep


def _forget_text(tx: Tx, claim: Claim) -> None:
    """Delete the stored text of a file that turned out to be bad."""
    tasks.hold(tx, claim)
    chunks.delete(tx, claim.ref, ["text"])
    items.set_pages_read(tx, claim.ref, 0)
    items.forget_unread_pages(tx, claim.ref)
