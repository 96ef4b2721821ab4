"""An object in S3 as a file that can be read anywhere: by ranges, of one version, with one window in memory."""

import io
from typing import TYPE_CHECKING

from chalicelib.errors import BadFile

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs

WINDOW_BYTES = 1024 * 1024


class RangedObject(io.RawIOBase):
    """A seekable file over the object. Reading more than `max_read_bytes` at once raises BadFile `too_large_code`."""

    def __init__(
        self,
        blobs: "Blobs",
        key: str,
        *,
        size_bytes: int,
        etag: str,
        max_read_bytes: int,
        too_large_code: str,
    ) -> None:
        self._blobs, self._key, self._etag = blobs, key, etag
        self._size, self._at = size_bytes, 0
        self._window, self._window_start = b"", 0
        self._max_read_bytes, self._too_large_code = max_read_bytes, too_large_code

    def forget(self) -> None:
        """Fetch the window again before anything else is read, so that a replaced object is noticed."""
        self._window = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("a seek before the beginning")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > self._max_read_bytes:
            said = f"The list of the archive's files has more than {self._max_read_bytes:,} bytes. Divide it."
            raise BadFile(said, code=self._too_large_code)
        offset = self._at - self._window_start
        if not (offset >= 0 and offset + wanted <= len(self._window)):
            self._window_start = self._at
            length = min(max(wanted, WINDOW_BYTES), left)
            self._window = (
                self._blobs.get_range(self._key, self._at, length, etag=self._etag) if length else b""
            )
            offset = 0
        self._at += wanted
        return self._window[offset : offset + wanted]
