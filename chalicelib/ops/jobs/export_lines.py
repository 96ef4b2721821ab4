"""The lines of an export's items: what they are, and what was made of them."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chalicelib.errors import NotFound
from chalicelib.stores.jobs import exports
from chalicelib.stores.jobs.exports import ExportedChunk, ExportedItem, ExportedVector
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

CHUNKS_AT_ONCE = 500
MAX_VECTOR_BYTES = 128 * 1024 * 1024  # of one entry; text whose vector is left out is embedded by the import
R = TypeVar("R", ExportedChunk, ExportedVector)


def item_lines(
    user_id: str, found: Mapping[str, ExportedItem], paths: Mapping[str, str], *, db: "Database"
) -> Iterator[bytes]:
    """Yield each item, then their analyses, then their text. `paths` has the entries of their files."""
    for item in found.values():
        yield line_of("item", {**item.line, "original": paths.get(item.id)})
    ids = list(found)
    for analysis in db.transact(user_id, lambda tx: exports.list_analyses(tx, user_id, ids)):
        yield line_of("analysis", analysis)
    chunks = _pages(
        lambda tx, last: exports.list_chunks(tx, user_id, ids, after=last, limit=CHUNKS_AT_ONCE), user_id, db
    )
    yield from (line_of("text", msgspec.structs.asdict(chunk)) for chunk in chunks)


def derived_lines(
    user_id: str, found: Mapping[str, ExportedItem], *, db: "Database", blobs: "Blobs"
) -> Iterator[bytes]:
    """Yield each item's pictures, then the vectors of their chunks, as far as there is room."""
    for item in found.values():
        if item.thumbnail_key and item.preview_key:
            with suppress(NotFound):
                pictures = {"thumbnail": item.thumbnail_key, "preview": item.preview_key}
                stored = {name: _base64(blobs.get(key)) for name, key in pictures.items()}
                yield line_of("pictures", {"item_id": item.id, **stored})
    ids = list(found)
    vectors = _pages(
        lambda tx, last: exports.list_vectors(tx, user_id, ids, after=last, limit=CHUNKS_AT_ONCE), user_id, db
    )
    size = 0
    for vector in vectors:
        line = line_of(
            "vector", {**msgspec.structs.asdict(vector), "vector": vector.vector.replace("\n", "")}
        )
        size += len(line)
        if size > MAX_VECTOR_BYTES:
            return
        yield line


def line_of(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return a line: JSON, and the end of the line."""
    return msgspec.json.encode({"type": kind, **fields}) + b"\n"


def _pages(read: Callable[[Tx, R | None], list[R]], user_id: str, db: "Database") -> Iterator[R]:
    last: R | None = None
    while page := db.transact(user_id, lambda tx, last=last: read(tx, last)):  # type: ignore[misc]
        yield from page
        last = page[-1]


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()
