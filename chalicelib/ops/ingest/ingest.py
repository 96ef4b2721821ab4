"""Make an item of an object that arrived in the bucket, find out whether its bytes are known, and read its file."""

import logging
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import BadFile, NotFound, Unavailable
from chalicelib.model.ingest.files import REASONS, FileLimits, ReadBounds
from chalicelib.model.ingest.uploads import StoredUpload
from chalicelib.model.library.documents import StoredDocument
from chalicelib.model.library.items import ItemRef, ObjectKey, StoredItem, parse_key
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.read import (
    File,
    Progress,
    derived_objects,
    find_progress,
    plan_pictures,
    read_file,
)
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import FileReader
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import chunks, uploads
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs, Downloaded
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")


class Arrival(Struct, frozen=True, kw_only=True):
    """An object as described by an event or by a listing. Fields that the source does not have are None."""

    key: ObjectKey
    etag: str | None = None
    sequencer: str | None = None
    written_at: datetime | None = None


def register_object(arrival: Arrival, *, db: "Database") -> ItemRef | None:
    """Make the object's item and its first task, and return the item. Idempotent.

    Return None if the item was deleted.
    """
    return db.transact(arrival.key.user_id, lambda tx: register(tx, arrival))


def register_bytes(
    arrival: Arrival, *, sha256: str, size_bytes: int, db: "Database"
) -> tuple[ItemRef | None, bool]:
    """Register an object whose hash is known. Return the item that has the bytes from now on, and whether it is new."""

    def register_known(tx: Tx) -> tuple[ItemRef | None, bool]:
        ref = register(tx, arrival)
        if ref is None:
            return None, False
        items.lock(tx, ref)
        original = _find_original(tx, ref, sha256)
        if original is not None:
            _merge_into(tx, ref, original, sha256)
            return ItemRef(user_id=ref.user_id, item_id=original), False
        items.set_content(tx, ref, sha256=sha256, size_bytes=size_bytes, etag=arrival.etag or "")
        return ref, True

    return db.transact(arrival.key.user_id, register_known)


class Settled(Struct, frozen=True, kw_only=True):
    """The other item that has an object's bytes, or how much of this one is read, and the media type announced."""

    original: str | None = None
    progress: Progress = Progress()
    announced_type: str | None = None


def process_item(
    claim: Claim,
    *,
    db: "Database",
    blobs: "Blobs",
    reader: FileReader,
    limits: FileLimits,
    time_left_s: Callable[[], float],
    bounds: ReadBounds = ReadBounds(),  # noqa: B008  frozen
) -> WriteResults | None:
    """Download, hash and read the item's file. Return the function that stores the result. Raise BadFile.

    Return None when time runs out in a long document; the next call continues there.
    """
    ref, item = claim.ref, claim.begun
    with tempfile.TemporaryDirectory(prefix="collections-") as folder:
        path = os.path.join(folder, "upload")
        try:
            got = blobs.download(item.key, path, max_bytes=limits.max_bytes)
        except NotFound:
            if db.transact(ref.user_id, lambda tx: _turn_to_copy(tx, claim, item.key)):
                raise Unavailable(
                    "The object was deleted; another one with its bytes is read.", code="object_moved"
                ) from None
            return lambda tx: _object_is_gone(tx, ref)
        log.info("file downloaded", extra={"size_bytes": got.size_bytes})
        settled = db.transact(ref.user_id, lambda tx: _settle_identity(tx, claim, item.key, got))
        if settled.original is not None:
            original_id = settled.original
            return lambda tx: _merge_into(tx, ref, original_id, got.sha256)
        return read_file(
            claim,
            File(path=path, item=item, sha256=got.sha256, announced_type=settled.announced_type),
            settled.progress,
            db=db,
            blobs=blobs,
            reader=reader,
            limits=limits,
            bounds=bounds,
            time_left_s=time_left_s,
        )


def register(tx: Tx, arrival: Arrival) -> ItemRef | None:
    """Like register_object, in a transaction of the object's user."""
    key = arrival.key
    users.ensure(tx, key.user_id)
    if uploads.is_deleted(tx, key, etag=arrival.etag, written_at=arrival.written_at):
        return None
    upload = uploads.lock(tx, key)
    if upload.item_id is not None:
        known = ItemRef(user_id=key.user_id, item_id=upload.item_id)
        if not _is_overwrite(upload, arrival) or _restart(tx, known, arrival):
            return known
    ref = ItemRef(user_id=key.user_id, item_id=items.insert(tx, key, etag=arrival.etag))
    tasks.insert_if_missing(tx, ref, "process")
    uploads.set_received(tx, ref, key=key.key, etag=arrival.etag, sequencer=arrival.sequencer)
    items.note(tx, ref, "received", message=key.key)
    return ref


def _is_overwrite(upload: StoredUpload, arrival: Arrival) -> bool:
    if arrival.etag is None or arrival.etag == upload.etag:
        return False
    if arrival.sequencer is None or upload.sequencer is None:
        return True
    # S3: left-pad the shorter hexadecimal sequencer with zeros, then compare as text; the greater is the later.
    width = max(len(arrival.sequencer), len(upload.sequencer))
    return arrival.sequencer.zfill(width) > upload.sequencer.zfill(width)


def _restart(tx: Tx, ref: ItemRef, arrival: Arrival) -> bool:
    """Start the item over, because its key has other bytes now.

    If other keys still have the item's old bytes, detach the key and return False: the key then gets a new item.
    """
    key = arrival.key
    item = items.lock(tx, ref)
    others = [other for other in uploads.list_objects(tx, ref) if other != key.key]
    if not others:
        _forget_content(tx, ref)
        items.restart(tx, ref, key=key.key, name=key.name, etag=arrival.etag)
        tasks.reset(tx, ref, "process")
        tasks.delete_stages(tx, ref, ["analyze", "embed"])
        uploads.set_received(tx, ref, key=key.key, etag=arrival.etag, sequencer=arrival.sequencer)
        items.note(tx, ref, "overwritten", message=key.key)
        return True
    if item.key == key.key:
        items.move_key(tx, ref, others[0])
    uploads.detach(tx, key)
    return False


def _forget_content(tx: Tx, ref: ItemRef) -> None:
    """Remove what was derived from bytes that are gone: text, index entries and pictures."""
    index.remove_item(tx, ref)
    chunks.delete(tx, ref, ["text", "caption", "ocr"])
    uploads.insert_deletions(tx, ref.user_id, derived_objects(items.lock(tx, ref)))
    items.clear_derived(tx, ref)


def _settle_identity(tx: Tx, claim: Claim, key: str, got: "Downloaded") -> Settled:
    """Decide which item has these bytes. Plan the deletion of the pictures that a first batch is about to write.

    Raise BadFile when the bytes are not those that were announced.
    """
    tasks.hold(tx, claim)
    original = _find_original(tx, claim.ref, got.sha256)
    received = uploads.set_received(tx, claim.ref, key=key, etag=got.etag, sequencer=None)
    announced, size_bytes = received.sha256, received.size_bytes
    if announced is not None and announced != got.sha256:
        raise BadFile("The bytes that arrived are not those that were announced.", code="checksum_mismatch")
    if size_bytes is not None and size_bytes != got.size_bytes:
        said = f"The file has {got.size_bytes:,} bytes, but {size_bytes:,} bytes were announced."
        raise BadFile(said, code="size_mismatch")
    if original is not None:
        return Settled(original=original)
    content = items.set_content(tx, claim.ref, sha256=got.sha256, size_bytes=got.size_bytes, etag=got.etag)
    progress = find_progress(tx, claim.ref, content)
    if progress.pages == 0:
        plan_pictures(tx, claim, got.sha256)
    return Settled(progress=progress, announced_type=received.content_type)


def _find_original(tx: Tx, ref: ItemRef, sha256: str) -> str | None:
    """Return the id of another item that has these bytes, or None. Lock the hash until the transaction ends."""
    items.lock_sha256(tx, ref.user_id, sha256)
    found = items.find_by_sha256(tx, ref.user_id, sha256)
    return found.id if found is not None and found.id != ref.item_id else None


def _merge_into(tx: Tx, duplicate: ItemRef, original_id: str, sha256: str) -> None:
    """Move the duplicate's object to the original, and delete the duplicate.

    Restart an original that failed in passing.
    """
    original = ItemRef(user_id=duplicate.user_id, item_id=original_id)
    items.lock_sha256(tx, duplicate.user_id, sha256)
    found = items.find_by_sha256(tx, duplicate.user_id, sha256)
    if found is None or found.id != original_id:
        raise Unavailable("The item with the same bytes is being deleted.", code="original_changed")
    uploads.move_to_item(tx, duplicate, original_id)
    items.note(tx, original, "duplicate", message=f"The same bytes arrived again as {duplicate.item_id}.")
    remove_item(tx, duplicate)
    if failed_in_passing(found):
        items.restart(tx, original, key=found.key, name=found.name, etag=found.etag)
        tasks.reset(tx, original, "process")


def failed_in_passing(item: StoredItem | StoredDocument) -> bool:
    """Return whether the item failed for a reason outside its file, so that the same bytes may succeed now."""
    return item.failure_code is not None and item.failure_code not in REASONS


def _turn_to_copy(tx: Tx, claim: Claim, gone: str) -> bool:
    """Make the item use another of its objects. Return False when it has no other."""
    tasks.hold(tx, claim)
    others = [other for other in uploads.list_objects(tx, claim.ref) if other != gone]
    if others:
        uploads.detach(tx, parse_key(gone))
        items.move_key(tx, claim.ref, others[0])
    return bool(others)


def _object_is_gone(tx: Tx, ref: ItemRef) -> None:
    """Remove an item whose object was deleted before we could read it. Raise BadFile when the item has been READY."""
    if items.lock(tx, ref).ready_at is not None:
        raise BadFile("The uploaded file is no longer in the bucket.", code="object_missing")
    remove_item(tx, ref)


def remove_item(tx: Tx, ref: ItemRef) -> dict[str, str | None]:
    """Delete the item and all its rows. Return its derived objects, which are still to be deleted from S3."""
    derived = derived_objects(items.lock(tx, ref))
    uploads.insert_deletions(tx, ref.user_id, derived)
    index.remove_item(tx, ref)
    items.delete(tx, ref)
    return derived
