"""Write a zip to S3 a piece at a time: each piece goes on where the one before has ended, in another process maybe.

Python's zipfile writes the entries, to a stream that cannot seek: their checksums follow their bytes. The stream sends
parts of PART_BYTES; fewer bytes than that are left for the next piece.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import IO, Any, cast

from chalicelib.errors import InvalidInput
from chalicelib.model.jobs.exports import MAX_PARTS, PART_BYTES, Entry


class PartStream(io.RawIOBase):
    """The zip from byte `offset` on; `tail` are the bytes before it that are in no part yet.

    `send(number, body)` stores a part and returns its etag. Raise InvalidInput "export_too_large" after MAX_PARTS.
    """

    def __init__(
        self, send: Callable[[int, bytes], str], *, offset: int, parts: Sequence[str], tail: bytes
    ) -> None:
        self._send, self._offset, self._buffer = send, offset, bytearray(tail)
        self.parts = list(parts)

    @property
    def tail(self) -> bytes:
        return bytes(self._buffer)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def write(self, data: Any) -> int:
        self._buffer += data
        self._offset += len(data)
        while len(self._buffer) >= PART_BYTES:
            self._send_part(bytes(memoryview(self._buffer)[:PART_BYTES]))
            del self._buffer[:PART_BYTES]
        return len(data)

    def send_rest(self) -> None:
        """Send what is left as the last part."""
        if self._buffer:
            self._send_part(bytes(self._buffer))
            self._buffer.clear()

    def _send_part(self, body: bytes) -> None:
        if len(self.parts) == MAX_PARTS:
            said = f"The export has more than {MAX_PARTS * PART_BYTES // 1024**3} GiB; download large files one by one."
            raise InvalidInput(said, code="export_too_large")
        self.parts.append(self._send(len(self.parts) + 1, body))


class ZipPiece:
    """Entries that are added to the zip on this stream; `entries` has those that are whole."""

    def __init__(self, stream: PartStream, *, at: datetime) -> None:
        self._archive = zipfile.ZipFile(cast(IO[bytes], stream), "w")
        self._date = at.timetuple()[:6]
        self.entries: list[Entry] = []

    def add(
        self, name: str, pieces: Iterable[bytes], *, size_bytes: int = 0, method: int = zipfile.ZIP_DEFLATED
    ) -> None:
        """Add an entry. One whose pieces end with an error is not listed; its bytes stay, and nothing reads them.

        `size_bytes` is needed from 2 GiB on.
        """
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type, info.file_size = method, size_bytes
        digest = hashlib.sha256()
        with self._archive.open(info, "w") as out:
            for piece in pieces:
                out.write(piece)
                digest.update(piece)
        entry = Entry(
            name=name,
            size_bytes=info.file_size,
            sha256=digest.hexdigest(),
            compressed_bytes=info.compress_size,
            crc=info.CRC,
            offset=info.header_offset,
            method=method,
            flags=info.flag_bits,
        )
        self.entries.append(entry)

    def leave(self) -> None:
        """End the piece without the zip's directory: another piece follows."""
        self._archive.fp = None

    def close(self, others: Callable[[], Iterable[Entry]]) -> None:
        """Write the directory of all entries, `others` being those of other pieces: the end of the zip."""
        everything = _Directory(lambda: map(self._listed, chain(others(), self.entries)))
        self._archive.filelist = cast(list[zipfile.ZipInfo], everything)
        self._archive.close()

    def _listed(self, entry: Entry) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(entry.name, self._date)
        info.compress_type, info.flag_bits, info.CRC = entry.method, entry.flags, entry.crc
        info.compress_size, info.file_size = entry.compressed_bytes, entry.size_bytes
        info.header_offset, info.external_attr = entry.offset, 0o600 << 16
        return info


class _Directory:
    """Stands in for zipfile's list of entries, of which one is in memory at once."""

    def __init__(self, entries: Callable[[], Iterator[zipfile.ZipInfo]]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        return self._entries()

    def __len__(self) -> int:
        return sum(1 for _ in self._entries())
