"""Restores an item of an export from its lines: text, analyses, and the vectors of the models in use."""

import math
import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from pgvector import HalfVector

from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import (
    FileLimits,
    text_size,
)
from chalicelib.model.jobs.imports import ItemLine, PicturesLine, TextLine, VectorLine, check_times
from chalicelib.model.library.items import ItemRef, ObjectKey, as_item_id
from chalicelib.ops.jobs.import_zip import Lines
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import imports
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.search.index import VectorSet
from chalicelib.stores.work import tasks

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


def restore(tx: Tx, item: Restored, batch: Batch, models: Sequence[Model]) -> ItemRef:
    """Insert the item that was ready, with its text and vectors; it is only embedded, not processed."""
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
    for wanted in _sets(tx, models):
        _restore_vectors(tx, ref, line.id, batch, wanted)
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


def _sets(tx: Tx, models: Sequence[Model]) -> Iterator[VectorSet]:
    """Yield the sets whose vectors are of use here. No import makes the set of pictures: their analyzer names it."""
    for model, dimensions in models:
        set_id = index.ensure_set(tx, model=model, dimensions=dimensions)
        yield VectorSet(id=set_id, kind="text", model=model, dimensions=dimensions)
    if pictures := index.find_live(tx, "picture"):
        yield pictures


def _restore_vectors(tx: Tx, ref: ItemRef, old_id: str, batch: Batch, wanted: VectorSet) -> None:
    """Store the vectors that belong to this set. A chunk without one is embedded like any other."""
    of_set = (
        each
        for each in batch.vectors(old_id)
        if (each.kind, each.model, each.dimensions) == (wanted.kind, wanted.model, wanted.dimensions)
    )
    ids: dict[tuple[str, int], int] = {}
    for vectors in _groups(of_set, ROWS_AT_ONCE):
        ids = ids or imports.chunk_ids(tx, ref)
        known = {ids[place]: each for each in vectors if (place := (each.source, each.ordinal)) in ids}
        values = [_floats(each, wanted.dimensions) for each in known.values()]
        index.add_vectors(tx, ref.user_id, set_id=wanted.id, ids=list(known), vectors=values)


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
