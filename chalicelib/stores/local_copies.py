"""Files of the bucket, kept for a while in the temporary folder: the next page needs no second download."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.errors import Conflict

if TYPE_CHECKING:
    from chalicelib.stores.blobs import Blobs

KEPT = 2  # files of 200 MB: a function's temporary folder has 512 MB


class LocalCopies:
    """The files read last, KEPT of them at most. One reader at a time; they go with this process."""

    def __init__(self, blobs: "Blobs", *, max_bytes: int) -> None:
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="collections-")
        self._paths: dict[tuple[str, str], str] = {}  # the one read last comes last
        self._count = 0

    @contextmanager
    def open(self, user_id: str, key: str, *, sha256: str) -> Iterator[str]:
        """The path of the object's bytes, until the block ends.

        Raises NotFound, BadFile when it is too large, and Conflict when it has other bytes now.
        """
        with self._lock:
            path = self._paths.pop((user_id, sha256), None) or self._download(key, sha256)
            self._paths[user_id, sha256] = path
            yield path

    def _download(self, key: str, sha256: str) -> str:
        while len(self._paths) >= KEPT:
            os.unlink(self._paths.pop(next(iter(self._paths))))
        self._count += 1
        path = os.path.join(self._folder.name, str(self._count))
        try:
            if self._blobs.download(key, path, max_bytes=self._max_bytes).sha256 == sha256:
                return path
            raise Conflict("The file was replaced; its new text is on its way.", code="not_ready")
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise
