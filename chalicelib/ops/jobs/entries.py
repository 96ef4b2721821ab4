"""Copies files out of a run's archive to objects of their own, a few at once."""

import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from chalicelib.errors import BadFile, CollectionsError, InvalidInput, TooLarge
from chalicelib.model.jobs import archives
from chalicelib.model.jobs.runs import Run, RunFile, entry_folder
from chalicelib.model.library.items import ObjectKey
from chalicelib.ops.ingest.ingest import Arrival
from chalicelib.ops.ingest.manage import object_key
from chalicelib.ops.usage.storage import room_for, storage_full
from chalicelib.stores.aws.ranges import RangedObject
from chalicelib.stores.ingest import uploads
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
ENTRY_TTL_S = 900  # what is announced of an archive is stored by then, and registered


class Copied(Struct, frozen=True, kw_only=True):
    """A file of an archive: the object that it is now, or why it is none."""

    file: RunFile
    arrival: Arrival | None = None
    error: CollectionsError | None = None


class LastArchive:
    """The archive that this process read last. Its list of files is fetched and parsed once, not at every step."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[str, str], RangedObject, Any] | None = None

    @contextmanager
    def opened(self, key: str, etag: str, read: "Callable[[], tuple[RangedObject, T]]") -> "Iterator[T]":
        """Yield the archive, by `read` if it is another one than the last; nobody else has it meanwhile.

        Raise BadFile for one that is damaged or was replaced.
        """
        kept, self._kept = self._kept, None
        if kept is None or kept[0] != (key, etag):
            kept = (key, etag), *read()
        kept[1].forget()
        yield kept[2]
        self._kept = kept


def open_ranges(key: str, size_bytes: int, etag: str, *, blobs: "Blobs") -> RangedObject:
    """Return the archive as a file that is read by ranges."""
    bound = archives.MAX_DIRECTORY_BYTES
    return RangedObject(
        blobs, key, size_bytes=size_bytes, etag=etag, max_read_bytes=bound, too_large_code="too_many_entries"
    )


def copy_entries(
    run: Run,
    user_id: str,
    files: Sequence[RunFile],
    *,
    db: "Database",
    blobs: "Blobs",
    last_archive: LastArchive,
    limit_bytes: "Callable[[Tx], int | None]",
) -> list[Copied]:
    """Store each file as an object, which the caller registers; return what became of each, in order.

    They are announced before, so that they count as stored, and their deletion is planned: an object that is not
    registered, since the run was stopped or its driver died for good, is deleted. The same files are copied again to
    the same keys.
    """
    assert run.input_key is not None and run.input_etag is not None
    keys: dict[int, ObjectKey] = {}
    copied: dict[int, Copied] = {}
    for file in files:
        try:
            folder = entry_folder(run.id, file.number)
            keys[file.number] = object_key(user_id, folder, archives.base_name(file.name))
        except InvalidInput:  # too long with its folder, or only dots
            error = BadFile("No object can have this name.", code="unsafe_name")
            copied[file.number] = Copied(file=file, error=error)
    wanted = [file for file in files if file.number in keys]
    left = db.transact(user_id, lambda tx: _announce(tx, user_id, wanted, keys, limit_bytes(tx)))
    key, etag = run.input_key, run.input_etag

    def read() -> tuple[RangedObject, zipfile.ZipFile]:
        ranged = open_ranges(key, run.progress["archive_bytes"], etag, blobs=blobs)
        return ranged, archives.open_archive(ranged)  # type: ignore[arg-type]

    with last_archive.opened(key, etag, read) as archive:
        for file in wanted:
            if file.number not in left:
                copied[file.number] = _copy(archive, file, keys[file.number], blobs=blobs)
    copied |= {number: Copied(file=file, error=error) for number, (file, error) in left.items()}
    return [copied[file.number] for file in files]


def _copy(archive: zipfile.ZipFile, file: RunFile, key: ObjectKey, *, blobs: "Blobs") -> Copied:
    assert file.line is not None
    try:
        parts = archives.read_entry(archive, file.line)
        etag = blobs.put_parts(key.key, parts, content_type="application/octet-stream")
    except BadFile as error:
        if error.code == "input_changed":
            raise
        return Copied(file=file, error=error)
    return Copied(file=file, arrival=Arrival(key=key, etag=etag))


def _announce(
    tx: Tx,
    user_id: str,
    files: Sequence[RunFile],
    keys: dict[int, ObjectKey],
    limit_bytes: int | None,
) -> dict[int, tuple[RunFile, TooLarge]]:
    """Count the bytes of each file as stored; return those that there is no room for, by their numbers."""
    wanted = [keys[file.number].key for file in files]
    left_bytes = room_for(tx, user_id, wanted, limit_bytes=limit_bytes)
    refused = {}
    for file in files:
        size_bytes, key = file.size_bytes or 0, keys[file.number]
        if left_bytes is not None and limit_bytes is not None:
            if size_bytes > left_bytes:
                refused[file.number] = file, storage_full(size_bytes, left_bytes, limit_bytes)
                continue
            left_bytes -= size_bytes
        uploads.insert(tx, key, content_type=None, size_bytes=size_bytes, sha256=None, ttl_s=ENTRY_TTL_S)
    stored = [keys[file.number].key for file in files if file.number not in refused]
    uploads.insert_deletions(tx, user_id, dict.fromkeys(stored), after_s=ENTRY_TTL_S)
    return refused
