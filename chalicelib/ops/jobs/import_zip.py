"""Reads the zip of an export by ranges: its manifest, and entries that are checked against it."""

import hashlib
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from chalicelib.errors import BadFile
from chalicelib.model.jobs import archives, imports
from chalicelib.model.jobs.imports import DERIVED, ITEMS, MANIFEST, bad_line, changed, missing
from chalicelib.stores.aws.ranges import RangedObject

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs

T = TypeVar("T")
HEAD_BYTES = 4


class _Head(Struct, frozen=True, kw_only=True):
    """The fields by which a line is found again."""

    type: str
    id: str | None = None
    item_id: str | None = None


class Lines:
    """An entry of JSON lines, unpacked on disk."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name, self._file = name, file

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines. Raise BadFile for one that is too long."""
        self._file.seek(0)
        while line := self._file.readline(imports.MAX_LINE_BYTES + 1):
            if len(line) > imports.MAX_LINE_BYTES:
                raise bad_line(self._name, f"it has more than {imports.MAX_LINE_BYTES:,} bytes.")
            yield line

    def index(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """Return where the lines of each item are, by (type, item id): (start, end) of neighbouring lines."""
        found, start = dict[tuple[str, str], list[tuple[int, int]]](), 0
        for line in self:
            head = self.decode(line, _Head)
            spans = found.setdefault((head.type, head.item_id or head.id or ""), [])
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end := self._file.tell()))
            start = end
        return found

    def between(self, spans: list[tuple[int, int]], shape: type[T]) -> Iterator[T]:
        """Yield the lines of these places as `shape`s. Raise BadFile."""
        for start, end in spans:
            self._file.seek(start)
            while start < end:
                line = self._file.readline()
                start += len(line)
                yield self.decode(line, shape)
                self._file.seek(start)  # whoever took the line may have read elsewhere

    def decode(self, line: bytes, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(line, type=shape)
        except msgspec.DecodeError as error:
            raise bad_line(self._name, str(error)) from error


class ExportZip:
    """An export. `listed` has the manifest's entries by name, `places` the zip's, each with its number."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.places = {entry.filename: number for number, entry in enumerate(archive.infolist(), start=1)}
        self.manifest = imports.read_manifest(self._manifest())
        self.listed = {entry.name: entry for entry in self.manifest.entries}
        self._batches = sorted(name for name in self.listed if name.startswith(f"{ITEMS}/"))

    def batch_of(self, original: str) -> str:
        """Return the entry whose lines describe this file: the last one whose number is not greater. Raise BadFile."""
        place = bisect_right(self._batches, f"{ITEMS}/{original.split('/')[1]}.jsonl")
        if not place:
            raise bad_line(ITEMS, f"none describes {original}.")
        return self._batches[place - 1]

    def refusal(self, name: str) -> BadFile | None:
        """Return why the entry is not read, as far as the zip's list tells; None when it may be read."""
        if name not in self.places:
            return missing(name)
        entry = self._archive.infolist()[self.places[name] - 1]
        if unreadable := archives.unreadable_entry(entry):
            return BadFile(f"{name}: {unreadable[1]}", code=unreadable[0])
        return changed(name) if entry.file_size != self.listed[name].size_bytes else None

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the entry's bytes in parts. Raise BadFile before the end unless they are what the manifest lists."""
        if refusal := self.refusal(name):
            raise refusal
        digest, waiting = hashlib.sha256(), b""
        for part in archives.read_entry(self._archive, self.places[name]):
            if waiting:
                yield waiting
            digest.update(part)
            waiting = part
        if digest.hexdigest() != self.listed[name].sha256:
            raise changed(name)
        yield waiting

    @contextmanager
    def lines(self, name: str) -> Iterator[Lines]:
        """Yield the lines of an entry, which has been checked. Raise BadFile."""
        if self.listed[name].size_bytes > imports.MAX_LINES_BYTES:
            said = f"{name} has more than {imports.MAX_LINES_BYTES:,} bytes."
            raise BadFile(said, code="too_large")
        with tempfile.TemporaryFile(prefix="collections-") as file:
            file.writelines(self.read(name))
            yield Lines(name, file)

    def derived_of(self, batch: str) -> str | None:
        """Return the entry with pictures and vectors of this entry's items, None when the manifest lists none."""
        name = f"{DERIVED}/{batch.partition('/')[2]}"
        return name if name in self.listed else None

    def _manifest(self) -> bytes:
        if MANIFEST not in self.places:
            raise imports.not_an_export()
        number = self.places[MANIFEST]
        if self._archive.infolist()[number - 1].file_size > imports.MAX_MANIFEST_BYTES:
            raise BadFile("manifest.json is too large.", code="bad_manifest")
        return b"".join(archives.read_entry(self._archive, number))


def open_export(key: str, size_bytes: int, etag: str, *, blobs: "Blobs") -> tuple[RangedObject, ExportZip]:
    """Return the object of this key, and the export that it is. Raise BadFile for what is none."""
    if size_bytes > imports.MAX_BYTES:
        said = f"The zip has {size_bytes:,} bytes; at most {imports.MAX_BYTES:,} are taken."
        raise BadFile(said, code="too_large")
    head = blobs.get_range(key, 0, HEAD_BYTES, etag=etag) if size_bytes else b""
    if not archives.is_archive(head):
        raise BadFile("What was uploaded is not a zip archive.", code="not_an_archive")
    file = RangedObject(
        blobs,
        key,
        size_bytes=size_bytes,
        etag=etag,
        max_read_bytes=imports.MAX_DIRECTORY_BYTES,
        too_large_code="too_many_entries",
    )
    archive = archives.open_archive(file)  # type: ignore[arg-type]
    if len(archive.infolist()) > imports.MAX_ENTRIES:
        said = f"The zip has more than {imports.MAX_ENTRIES:,} entries."
        raise BadFile(said, code="too_many_entries")
    return file, ExportZip(archive)
