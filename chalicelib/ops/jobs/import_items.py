"""Put back the items of an export, each in a transaction of its own.

An item that was ready gets its text, analyses, pictures and vectors back, and is only embedded: with the same model
that asks nobody, and makes the index of words. Any other is processed from its file, as an upload is.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import BadFile, TooLarge
from chalicelib.model.ingest.files import (
    KIND_OF_MEDIA_TYPE,
    SNIFF_BYTES,
    FileLimits,
    sniff_media_type,
)
from chalicelib.model.jobs.imports import bad_line
from chalicelib.model.jobs.runs import Run, RunFile, entry_folder
from chalicelib.model.library.items import DERIVED_PREFIX, ItemRef
from chalicelib.model.usage.budgets import Budgets
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.ingest import Arrival, failed_in_passing, register
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.jobs.entries import ENTRY_TTL_S
from chalicelib.ops.jobs.file_steps import end_line, restart_line, storage_limit
from chalicelib.ops.jobs.import_restore import Batch, Model, Restored, restore
from chalicelib.ops.jobs.import_zip import ExportZip
from chalicelib.ops.usage.storage import require_storage
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import files
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

STEP_S = 12.0  # no further item is begun after so long


def import_items(
    claim: Claim,
    run: Run,
    waiting: Sequence[RunFile],
    export: ExportZip,
    *,
    db: "Database",
    blobs: "Blobs",
    models: Sequence[Model],
    limits: FileLimits,
    storage_gb: Budgets,
) -> None:
    """Begin the next items: those whose lines are in one entry, and not more than take STEP_S."""
    end_s, first = monotonic() + STEP_S, waiting[0]
    with ExitStack() as stack:
        try:
            name = export.batch_of(first.name)
            derived_name = export.derived_of(name)
            lines = stack.enter_context(export.lines(name))
            derived = stack.enter_context(export.lines(derived_name)) if derived_name else None
            batch = Batch(lines, derived)
        except BadFile as error:
            return _refuse(claim, first, error, db=db)
        for file in waiting:
            if file is not first and (monotonic() > end_s or export.batch_of(file.name) != name):
                return
            try:
                _import_one(
                    claim,
                    run,
                    file,
                    export,
                    batch,
                    db=db,
                    blobs=blobs,
                    models=models,
                    limits=limits,
                    storage_gb=storage_gb,
                )
            except (BadFile, TooLarge) as error:
                _refuse(claim, file, error, db=db)


def _import_one(
    claim: Claim,
    run: Run,
    file: RunFile,
    export: ExportZip,
    batch: Batch,
    *,
    db: "Database",
    blobs: "Blobs",
    models: Sequence[Model],
    limits: FileLimits,
    storage_gb: Budgets,
) -> None:
    sha256 = export.listed[file.name].sha256
    if db.transact(claim.user_id, lambda tx: _is_there(tx, claim, file, sha256)):
        return
    item = _copy(claim, run, file, export, batch, db=db, blobs=blobs, limits=limits, storage_gb=storage_gb)
    db.transact(claim.user_id, lambda tx: _begin(tx, claim, file, item, batch, models))


def _is_there(tx: Tx, claim: Claim, file: RunFile, sha256: str) -> bool:
    """End the line if an item has its bytes; one that failed in passing is processed again."""
    tasks.checkpoint(tx, claim)
    items.lock_sha256(tx, claim.user_id, sha256)
    found = items.find_by_sha256(tx, claim.user_id, sha256)
    if found is None:
        return False
    files.set_started(tx, claim.user_id, claim.run, file.number, item_id=found.id, key=file.key)
    if failed_in_passing(found):
        items.lock(tx, ItemRef(user_id=claim.user_id, item_id=found.id))
        restart_line(tx, claim, msgspec.structs.replace(file, item_id=found.id))
    else:
        said = f"Item {found.id} has the same bytes."
        end_line(tx, claim, file, outcome="skipped", code="duplicate", message=said)
    return True


def _copy(
    claim: Claim,
    run: Run,
    file: RunFile,
    export: ExportZip,
    batch: Batch,
    *,
    db: "Database",
    blobs: "Blobs",
    limits: FileLimits,
    storage_gb: Budgets,
) -> Restored:
    """Store the item's file and pictures. Their deletion is planned first; the item's transaction cancels it."""
    line, listed = batch.items.get(file.name), export.listed[file.name]
    if line is None:
        raise bad_line(export.batch_of(file.name), f"none describes {file.name}.")
    if listed.size_bytes > limits.max_bytes:
        said = f"The file has {listed.size_bytes:,} bytes; at most {limits.max_bytes:,} are taken."
        raise BadFile(said, code="too_large")
    item = Restored(
        line=line,
        key=object_key(claim.user_id, entry_folder(run.id, file.number), line.name),
        etag="",
        size_bytes=listed.size_bytes,
        sha256=listed.sha256,
        media_type=None,
        pictures=batch.pictures(line.id) if line.status == "READY" and line.sha256 == listed.sha256 else None,
        folder=f"{DERIVED_PREFIX}{claim.user_id}/{run.id}-{file.number}/{listed.sha256}",
    )

    def announce(tx: Tx) -> None:
        limit_bytes = storage_limit(tx, claim.user_id, storage_gb)
        require_storage(tx, item.key, item.size_bytes, limit_bytes=limit_bytes)
        uploads.insert(
            tx, item.key, content_type=None, size_bytes=item.size_bytes, sha256=None, ttl_s=ENTRY_TTL_S
        )
        uploads.insert_deletions(tx, claim.user_id, item.objects, after_s=ENTRY_TTL_S)

    db.transact(claim.user_id, announce)
    head = bytearray()
    etag = blobs.put_parts(
        item.key.key, _seen(export.read(file.name), head), content_type="application/octet-stream"
    )
    media_type = sniff_media_type(bytes(head))
    is_as_it_was = line.media_type == media_type and KIND_OF_MEDIA_TYPE.get(media_type or "") == line.kind
    pictures = item.pictures if is_as_it_was and media_type else None
    if pictures is not None:
        blobs.put(item.thumbnail_key, pictures.thumbnail, content_type="image/jpeg")
        blobs.put(item.preview_key, pictures.preview, content_type="image/jpeg")
    return msgspec.structs.replace(item, etag=etag, media_type=media_type, pictures=pictures)


def _seen(parts: Iterator[bytes], head: bytearray) -> Iterator[bytes]:
    """Yield the parts, and keep the first bytes in `head`."""
    for part in parts:
        head += part[: SNIFF_BYTES - len(head)]
        yield part


def _begin(
    tx: Tx, claim: Claim, file: RunFile, item: Restored, batch: Batch, models: Sequence[Model]
) -> None:
    if _is_there(
        tx, claim, file, item.sha256
    ):  # it has arrived meanwhile: the objects that were written are deleted
        return
    uploads.delete_deletions(tx, list(item.objects))
    if item.pictures is None:
        ref = register(tx, Arrival(key=item.key, etag=item.etag))
        assert ref is not None
    else:
        ref = restore(tx, item, batch, models)
    files.set_started(tx, claim.user_id, claim.run, file.number, item_id=ref.item_id, key=item.key.key)


def _refuse(claim: Claim, file: RunFile, error: BadFile | TooLarge, *, db: "Database") -> None:
    def refuse(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        end_line(tx, claim, file, outcome="failed", code=error.code, message=error.message)

    db.transact(claim.user_id, refuse)
