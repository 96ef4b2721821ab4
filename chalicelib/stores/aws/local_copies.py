"""Keeps files of the bucket in the temporary folder, so that a document's next page needs no second download."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.errors import Conflict

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs

KEPT = 2  # a file has up to 200 MB, a function's temporary folder 512 MB


class _Copy:
    """A file. `fetching` is locked during its download; the lock of LocalCopies guards the other fields."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fetching = threading.Lock()
        self.is_there = False
        self.readers = 0


class LocalCopies:
    """The last KEPT files that were read, and all that are being read. They are deleted with this process."""

    def __init__(self, blobs: "Blobs", *, max_bytes: int) -> None:
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="collections-")
        self._copies: dict[tuple[str, str], _Copy] = {}  # in the order of their last use
        self._count = 0

    @contextmanager
    def open(self, user_id: str, key: str, *, sha256: str) -> Iterator[str]:
        """Give the path of the object's bytes until the block ends.

        Raise NotFound, BadFile when it is too large, and Conflict when it has other bytes now.
        """
        copy = self._enter(user_id, sha256)
        try:
            with copy.fetching:
                if not copy.is_there:
                    self._download(key, sha256, copy.path)
                    copy.is_there = True
            yield copy.path
        finally:
            with self._lock:
                copy.readers -= 1
                self._drop_what_is_too_much()

    def _enter(self, user_id: str, sha256: str) -> _Copy:
        with self._lock:
            self._count += 1
            new = _Copy(os.path.join(self._folder.name, str(self._count)))
            copy = self._copies[user_id, sha256] = self._copies.pop((user_id, sha256), new)
            copy.readers += 1
            self._drop_what_is_too_much()  # before the download, so that there is room for it
            return copy

    def _drop_what_is_too_much(self) -> None:
        """Delete files that nobody reads, the least recently used first, until KEPT are left."""
        for name, copy in list(self._copies.items()):
            if copy.readers == 0 and (len(self._copies) > KEPT or not copy.is_there):
                del self._copies[name]
                Path(copy.path).unlink(missing_ok=True)

    def _download(self, key: str, sha256: str, path: str) -> None:
        if self._blobs.download(key, path, max_bytes=self._max_bytes).sha256 != sha256:
            raise Conflict("The file was replaced and is being read; try again later.", code="not_ready")
