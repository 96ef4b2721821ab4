"""Announces, resumes, completes and aborts uploads. Large files are uploaded in parts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib import errors
from chalicelib.model.ingest import files
from chalicelib.model.ingest.uploads import StoredUpload
from chalicelib.model.library.items import DescribedItem, ItemRef
from chalicelib.ops.ingest.ingest import failed_in_passing
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.usage.storage import require_storage
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import uploads
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

ABORTED_PER_SWEEP = 100
LATE_S = 3600.0  # an upload may start just before its URL expires, and take this long
OVER = "This upload has ended; announce the file again."


class Announced(Struct, frozen=True, kw_only=True):
    """An upload, and how to send its bytes: by a form, or in parts if the file is large.

    `form` is a URL and its fields. `parts` maps the numbers of missing parts to URLs, `sent` those of sent parts to
    etags.
    """

    upload: StoredUpload
    parts: Mapping[int, str]
    sent: Mapping[int, str]
    form: tuple[str, dict[str, str]] | None = None


def announce_upload(
    user_id: str,
    *,
    folder: str,
    filename: str,
    content_type: str,
    size_bytes: int,
    sha256: str | None,
    max_bytes: int,
    max_stored_bytes: int | None,
    ttl_s: int,
    db: "Database",
    blobs: "Blobs",
) -> tuple[Announced | None, DescribedItem | None]:
    """Announce a file. Return (how to send it, None), or (None, the item) if the user has these bytes already.

    `folder` separates files of the same name. Announcing again with the same folder gives the same upload. Raise
    InvalidInput, and TooLarge for more than `max_bytes`, or more than is left of `max_stored_bytes`.
    """
    if content_type not in files.KIND_OF_MEDIA_TYPE:
        taken = ", ".join(files.KIND_OF_MEDIA_TYPE)
        raise errors.InvalidInput(f"content_type must be one of {taken}.", field="content_type")
    if size_bytes > max_bytes:
        raise errors.TooLarge(f"At most {max_bytes:,} bytes are taken.", field="size_bytes")
    key = object_key(user_id, folder, filename)

    def record(tx: Tx) -> tuple[StoredUpload | None, DescribedItem | None]:
        users.ensure(tx, user_id)
        known = items.find_by_sha256(tx, user_id, sha256) if sha256 else None
        if known is not None and not failed_in_passing(known):
            return None, items.get_with_analysis(tx, ItemRef(user_id=user_id, item_id=known.id))
        require_storage(tx, key, size_bytes, limit_bytes=max_stored_bytes)
        upload = uploads.insert(
            tx, key, content_type=content_type, size_bytes=size_bytes, sha256=sha256, ttl_s=ttl_s
        )
        return upload, None

    upload, item = db.transact(user_id, record)
    if upload is None:
        return None, item
    if not files.part_sizes(size_bytes):
        form = blobs.presign_upload(key.key, content_type=content_type, size_bytes=size_bytes, ttl_s=ttl_s)
        return Announced(upload=upload, form=form, parts={}, sent={}), None
    multipart_id = upload.multipart_id or _begin(upload, db=db, blobs=blobs)
    return _with_urls(upload, multipart_id, ttl_s=ttl_s, blobs=blobs), None


def resume_upload(user_id: str, upload_id: str, *, ttl_s: int, db: "Database", blobs: "Blobs") -> Announced:
    """Return new URLs for the missing parts, and the etags of the sent ones. Raise NotFound, Conflict."""

    def extend(tx: Tx) -> StoredUpload:
        uploads.extend(tx, user_id, upload_id, ttl_s=ttl_s)
        return _get_in_parts(tx, user_id, upload_id)

    upload = db.transact(user_id, extend)
    if upload.multipart_id is None:
        return Announced(upload=upload, parts={}, sent={})
    try:
        return _with_urls(upload, upload.multipart_id, ttl_s=ttl_s, blobs=blobs)
    except errors.NotFound:
        raise errors.Conflict(OVER) from None


def complete_upload(
    user_id: str, upload_id: str, parts: Sequence[tuple[int, str]], *, db: "Database", blobs: "Blobs"
) -> StoredUpload:
    """Join the parts, given as (number, etag) in any order, to an object; return the upload. Safe to repeat.

    The object becomes an item when its event from S3 comes. Raise NotFound, Conflict, InvalidInput.
    """
    upload = db.transact(user_id, lambda tx: _get_in_parts(tx, user_id, upload_id))
    if upload.multipart_id is None:
        return upload
    count = len(files.part_sizes(upload.size_bytes or 0))
    if sorted(number for number, _ in parts) != [*range(1, count + 1)]:
        raise errors.InvalidInput(f"parts must have the numbers 1 to {count}, each once.", field="parts")
    try:
        blobs.complete_parts(upload.key, upload.multipart_id, dict(parts))
    except errors.NotFound:  # aborted, or complete although the response was lost
        if not blobs.exists(upload.key):
            raise errors.Conflict(OVER) from None

    def complete(tx: Tx) -> StoredUpload:
        uploads.clear_multipart(tx, user_id, upload_id)
        return uploads.get(tx, user_id, upload_id)

    return db.transact(user_id, complete)


def abort_upload(user_id: str, upload_id: str, *, db: "Database", blobs: "Blobs") -> None:
    """Forget the upload and delete what was sent of it, also what still arrives. Raise NotFound, Conflict."""
    upload = db.transact(user_id, lambda tx: uploads.get(tx, user_id, upload_id))
    if upload.multipart_id is not None:
        blobs.abort_parts(upload.key, upload.multipart_id)

    def forget(tx: Tx) -> None:
        if uploads.delete_awaited(tx, user_id, upload_id):
            uploads.insert_deletions(tx, user_id, {upload.key: None}, after_s=LATE_S)
        elif uploads.find(tx, user_id, upload_id):
            raise errors.Conflict("The file has arrived; delete its item instead.")

    db.transact(user_id, forget)


def abort_abandoned(*, db: "Database", blobs: "Blobs") -> int:
    """Abort expired uploads in parts and return how many. The bucket's lifecycle rule removes what S3 refuses here."""
    abandoned = db.transact_as_system(lambda tx: uploads.take_abandoned(tx, limit=ABORTED_PER_SWEEP))
    for key, multipart_id in abandoned:
        blobs.abort_parts(key, multipart_id)
    return len(abandoned)


def _get_in_parts(tx: Tx, user_id: str, upload_id: str) -> StoredUpload:
    """Return an upload in parts; without multipart_id it is complete. Raise NotFound, Conflict."""
    upload = uploads.get(tx, user_id, upload_id)
    if not files.part_sizes(upload.size_bytes or 0):
        raise errors.Conflict("This upload is not in parts.")
    if upload.status == "expired":
        raise errors.Conflict(OVER)
    return upload


def _begin(upload: StoredUpload, *, db: "Database", blobs: "Blobs") -> str:
    """Begin an upload in parts and return S3's id of it; two callers at once get the same id."""
    assert upload.content_type, "announced with it"
    begun = blobs.begin_parts(upload.key, content_type=upload.content_type)
    kept = db.transact(upload.user_id, lambda tx: uploads.set_multipart(tx, upload.user_id, upload.id, begun))
    if kept != begun:
        blobs.abort_parts(upload.key, begun)
    return kept


def _with_urls(upload: StoredUpload, multipart_id: str, *, ttl_s: int, blobs: "Blobs") -> Announced:
    sizes = files.part_sizes(upload.size_bytes or 0)
    there = blobs.list_parts(upload.key, multipart_id)
    sent = {part.number: part.etag for part in there if part.size_bytes == sizes.get(part.number)}
    parts = {
        number: blobs.presign_part(upload.key, multipart_id, number, size_bytes=size_bytes, ttl_s=ttl_s)
        for number, size_bytes in sizes.items()
        if number not in sent
    }
    return Announced(upload=upload, parts=parts, sent=sent)
