"""Put back the items of an export, each in a transaction of its own.

An item that was ready gets its text, analyses, pictures and vectors back, and is only embedded: with the same model
that asks nobody, and makes the index of words. Any other is processed from its file, as an upload is.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from pgvector import HalfVector

from chalicelib.errors import BadFile, TooLarge
from chalicelib.model.ingest.files import (
    KIND_OF_MEDIA_TYPE,
    SNIFF_BYTES,
    FileLimits,
    sniff_media_type,
    text_size,
)
from chalicelib.model.jobs.imports import ItemLine, PicturesLine, TextLine, VectorLine, bad_line, check_times
from chalicelib.model.jobs.runs import Run, RunFile, entry_folder
from chalicelib.model.library.items import DERIVED_PREFIX, ItemRef, ObjectKey, as_item_id
from chalicelib.model.usage.budgets import Budgets
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.ingest import Arrival, failed_in_passing, register
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.jobs.entries import ENTRY_TTL_S
from chalicelib.ops.jobs.file_steps import end_line, restart_line, storage_limit
from chalicelib.ops.jobs.import_zip import ExportZip, Lines
from chalicelib.ops.usage.storage import require_storage
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import files, imports
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

STEP_S = 12.0  # no further item is begun after so long
ROWS_AT_ONCE = 500
T = TypeVar("T")
JPEG = b"\xff\xd8\xff"
SAME = (
    *("kind", "width_px", "height_px", "page_count", "pages_read", "unread_pages", "scans_read", "title"),
    *("taken_at", "camera", "latitude", "longitude", "created_at"),
)
Model = tuple[str, int]  # name and dimensions


class Batch:
    """The lines of some items of an export, on disk, and where those of each item are."""

    def __init__(self, items_: Lines, derived: Lines | None) -> None:
        self.lines, self._spans = items_, items_.index()
        self._derived, self._derived_spans = derived, derived.index() if derived else {}
        found = (
            item
            for (kind, _), spans in self._spans.items()
            if kind == "item"
            for item in items_.between(spans, ItemLine)
        )
        self.items = {item.original: item for item in found if item.original}

    def analyses(self, item_id: str) -> Iterator[dict[str, Any]]:
        return self.lines.between(self._spans.get(("analysis", item_id), []), dict[str, Any])

    def texts(self, item_id: str) -> Iterator[TextLine]:
        return self.lines.between(self._spans.get(("text", item_id), []), TextLine)

    def pictures(self, item_id: str) -> PicturesLine | None:
        found = next(self._of("pictures", item_id, PicturesLine), None)
        return (
            found
            if found and all(each.startswith(JPEG) for each in (found.thumbnail, found.preview))
            else None
        )

    def vectors(self, item_id: str) -> Iterator[VectorLine]:
        return self._of("vector", item_id, VectorLine)

    def _of(self, kind: str, item_id: str, shape: Any) -> Iterator[Any]:
        if self._derived is None:
            return iter(())
        return self._derived.between(self._derived_spans.get((kind, item_id), []), shape)


class Restored(Struct, frozen=True, kw_only=True):
    """An item's file, which is stored under `key`, and what is known of it; `pictures` None: it is processed anew."""

    line: ItemLine
    key: ObjectKey
    etag: str
    size_bytes: int
    sha256: str
    media_type: str | None
    pictures: PicturesLine | None
    folder: str

    @property
    def objects(self) -> dict[str, str | None]:
        """The objects that are written before the item is there."""
        return dict.fromkeys((self.key.key, self.thumbnail_key, self.preview_key))

    @property
    def thumbnail_key(self) -> str:
        return f"{self.folder}/thumbnail.jpg"

    @property
    def preview_key(self) -> str:
        return f"{self.folder}/preview.jpg"


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
        ref = _restore(tx, item, batch, models)
    files.set_started(tx, claim.user_id, claim.run, file.number, item_id=ref.item_id, key=item.key.key)


def _restore(tx: Tx, item: Restored, batch: Batch, models: Sequence[Model]) -> ItemRef:
    line, pictures, user_id = item.line, item.pictures, item.key.user_id
    assert pictures is not None
    preferred = as_item_id(line.id)
    ref = ItemRef(user_id=user_id, item_id=items.insert(tx, item.key, etag=item.etag, preferred=preferred))
    imports.restore_item(
        tx,
        ref,
        **{name: getattr(line, name) for name in SAME},
        media_type=item.media_type,
        size_bytes=item.size_bytes,
        sha256=item.sha256,
        etag=item.etag,
        thumbnail_key=item.thumbnail_key,
        preview_key=item.preview_key,
        derived_bytes=len(pictures.thumbnail) + len(pictures.preview),
    )
    uploads.set_received(tx, ref, key=item.key.key, etag=item.etag, sequencer=None)
    _restore_text(tx, ref, line.id, batch)
    for model in models:
        _restore_vectors(tx, ref, line.id, batch, model)
    tasks.reset(tx, ref, "embed")
    items.note(tx, ref, "imported", message=item.key.key)
    return ref


def _restore_text(tx: Tx, ref: ItemRef, old_id: str, batch: Batch) -> None:
    analyses = [{**each, "item_id": ref.item_id} for each in batch.analyses(old_id)]
    check_times(analyses)
    imports.insert_rows(tx, ref.user_id, "analyses", analyses)
    size, most = (
        0,
        2 * FileLimits().max_text_chars,
    )  # the text read from scans comes on top of a document's own
    for chunks in _groups(batch.texts(old_id), ROWS_AT_ONCE):
        size += sum(text_size(chunk.text) for chunk in chunks)
        if size > most:
            raise BadFile(f"The item has more than {most:,} characters of text.", code="text_too_large")
        rows = [{**msgspec.structs.asdict(chunk), "item_id": ref.item_id} for chunk in chunks]
        imports.insert_rows(tx, ref.user_id, "chunks", rows)


def _restore_vectors(tx: Tx, ref: ItemRef, old_id: str, batch: Batch, model: Model) -> None:
    """Store the vectors of this model. A chunk without one is embedded like any other."""
    of_model = (each for each in batch.vectors(old_id) if (each.model, each.dimensions) == model)
    ids: dict[tuple[str, int], int] = {}
    for vectors in _groups(of_model, ROWS_AT_ONCE):
        ids = ids or imports.chunk_ids(tx, ref)
        known = {ids[place]: each for each in vectors if (place := (each.source, each.ordinal)) in ids}
        set_id = index.ensure_set(tx, model=model[0], dimensions=model[1])
        values = [_floats(each, model[1]) for each in known.values()]
        index.add_vectors(tx, ref.user_id, set_id=set_id, ids=list(known), vectors=values)


def _floats(line: VectorLine, dimensions: int) -> list[float]:
    """Return the vector. Raise BadFile for one that the database does not take."""
    try:
        values: list[float] = HalfVector.from_binary(line.vector).to_list()
    except (ValueError, struct.error):
        values = []
    if len(values) != dimensions or not math.isfinite(sum(values)):
        raise BadFile(f"The vector of {line.source} {line.ordinal} is damaged.", code="bad_line")
    return values


def _groups(lines: Iterator[T], size: int) -> Iterator[list[T]]:
    while group := list(islice(lines, size)):
        yield group


def _refuse(claim: Claim, file: RunFile, error: BadFile | TooLarge, *, db: "Database") -> None:
    def refuse(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        end_line(tx, claim, file, outcome="failed", code=error.code, message=error.message)

    db.transact(claim.user_id, refuse)
