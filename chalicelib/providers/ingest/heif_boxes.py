"""Checks a HEIC file's boxes before its pixels are decoded.


It reads hostile bytes, so it runs in the decoder's child only.

libheif draws missing tiles in a solid colour and reports no error, so a file that was cut off would be accepted as a
picture. So would a file whose end was reserved, in zeros, and never written. Only box headers, tables of items and the
last bytes of images are read. A table has at most _MAX_TABLE_BYTES, and no loop runs more often than it has bytes to
read. Sources: ISO/IEC 14496-12, 4.2 for boxes and 8.11 for `meta` and what is in it; ISO/IEC 23008-12 for derived
images.
"""

import os
from collections.abc import Iterator
from typing import IO

from msgspec import Struct

from chalicelib.model.ingest.files import FileLimits, bad_file

# libheif takes 1,000 items; these leave room for it to refuse more in its own way.
_MAX_BOXES = 4_096
_MAX_TABLE_BYTES = 1024 * 1024
_HEADER_BYTES = 16  # at most; a box of less than 4 GB has 8
# Another kind of box that is too long may be bytes that were appended to the file.
_KNOWN = {b"ftyp", b"meta", b"moov", b"mdat", b"free", b"skip", b"uuid", b"sefd", b"mpvd"}
_DERIVED = {b"grid", b"iovl", b"iden", b"tmap"}
_HEVC = b"hvc1"
_ZEROS = bytes(16)  # one or two are left behind an image by a careless encoder


class _Box(Struct, frozen=True, kw_only=True):
    """A box. `start` and `end` are its content's offsets in the file; `end` is as the box claims, up to 2**64."""

    kind: bytes
    start: int
    end: int


class _Extent(Struct, frozen=True, kw_only=True):
    """A part of an item: `start` is the offset of its first byte in the file, `end` the one behind its last."""

    item: int
    start: int
    end: int


class _Table:
    """A box's content, read as big-endian numbers. Reading past its end raises ValueError."""

    def __init__(self, file: IO[bytes], box: _Box) -> None:
        if box.end - box.start > _MAX_TABLE_BYTES:
            raise ValueError(f"a table of {box.end - box.start} bytes")
        file.seek(box.start)
        self._content = file.read(box.end - box.start)
        self._at = 0

    def take(self, size_bytes: int) -> int:
        self._at += size_bytes
        if self._at > len(self._content):
            raise ValueError("a table ends in the middle of a number")
        return int.from_bytes(self._content[self._at - size_bytes : self._at], "big")

    def take_version(self) -> int:
        """Return the version at the start of a full box, and skip its flags."""
        return self.take(4) >> 24


def check_heif(file: IO[bytes], limits: FileLimits) -> None:
    """Raise BadFile if bytes are missing or the image is not HEVC, ValueError if a box contradicts itself.

    Bytes are missing if a box or an item ends beyond the file's end, if there is no `meta` box, or if an image ends
    with _ZEROS: the last byte of a NAL unit is never 0 (ITU-T H.265, 7.4.2).
    """
    size_bytes = file.seek(0, os.SEEK_END)
    boxes = list(_boxes(file, 0, size_bytes))
    meta = next((box for box in boxes if box.kind == b"meta"), None)
    if any(box.end > size_bytes and box.kind in _KNOWN for box in boxes):
        raise bad_file("truncated", limits)
    if meta is None:
        if any(box.kind == b"moov" for box in boxes):
            raise bad_file("unsupported_format", limits, codec="moov")
        if boxes and boxes[-1].end + _HEADER_BYTES > size_bytes:
            raise bad_file("truncated", limits)
        raise ValueError("no meta box")
    inner = {box.kind: box for box in _boxes(file, meta.start + 4, meta.end)}
    if any(box.end > meta.end for box in inner.values()):
        raise ValueError("a box ends beyond the one it is in")
    extents = list(_extents(_Table(file, inner[b"iloc"]))) if b"iloc" in inner else []
    if any(extent.end > size_bytes for extent in extents):
        raise bad_file("truncated", limits)
    types = _item_types(file, inner[b"iinf"]) if b"iinf" in inner else {}
    last_ones = {extent.item: extent for extent in extents}.values()
    if any(types.get(extent.item) == _HEVC and _ends_with_zeros(file, extent) for extent in last_ones):
        raise bad_file("truncated", limits)
    codec = _codec(file, inner, types)
    if codec not in (None, _HEVC):
        raise bad_file("unsupported_format", limits, codec=codec.decode("latin-1"))


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets of the file, in order, until something that is no box."""
    for _ in range(_MAX_BOXES):
        if start >= end:
            return
        file.seek(start)
        header = file.read(min(_HEADER_BYTES, end - start))
        size, kind, header_bytes = int.from_bytes(header[:4], "big"), header[4:8], 8
        if size == 1:
            size, header_bytes = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:  # the box extends to the end
            size = end - start
        if size < header_bytes or len(header) < header_bytes:
            return
        yield _Box(kind=kind, start=start + header_bytes, end=start + size)
        start += size
    raise ValueError(f"more than {_MAX_BOXES} boxes")


def _extents(iloc: _Table) -> Iterator[_Extent]:
    """Yield the parts of the items that lie in the file by themselves.

    Items of construction method 1 are in `idat`, which is part of `meta`, and `meta` is complete.
    """
    version = iloc.take_version()
    sizes = iloc.take(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version > 2 or not {offset_bytes, length_bytes, base_bytes, index_bytes} <= {0, 4, 8}:
        raise ValueError("a table of items in an unknown form")
    id_bytes = 4 if version == 2 else 2
    if version == 0:
        index_bytes = 0
    for _ in range(iloc.take(id_bytes)):
        item = iloc.take(id_bytes)
        method = iloc.take(2) & 15 if version > 0 else 0
        iloc.take(2)  # data reference: libheif reads only this file
        base, count = iloc.take(base_bytes), iloc.take(2)
        for _ in range(count if index_bytes + offset_bytes + length_bytes > 0 else 0):
            iloc.take(index_bytes)
            start = base + iloc.take(offset_bytes)
            end = start + iloc.take(length_bytes)
            if method == 0:
                yield _Extent(item=item, start=start, end=end)


def _ends_with_zeros(file: IO[bytes], extent: _Extent) -> bool:
    file.seek(max(extent.start, extent.end - len(_ZEROS)))
    return file.read(min(len(_ZEROS), extent.end - extent.start)) == _ZEROS


def _codec(file: IO[bytes], inner: dict[bytes, _Box], types: dict[int, bytes]) -> bytes | None:
    """Return the item type of the primary image, of its first tile when it is made of tiles; None if it has none."""
    if not {b"pitm", b"iinf"} <= inner.keys():
        return None
    primary = _Table(file, inner[b"pitm"])
    item = primary.take(2 if primary.take_version() == 0 else 4)
    tiles = _first_tiles(file, inner[b"iref"]) if b"iref" in inner else {}
    for _ in types:  # a bound, as an image may claim to be made of itself
        if types.get(item) not in _DERIVED:
            break
        item = tiles.get(item, item)
    found = types.get(item)
    return None if found in _DERIVED else found


def _item_types(file: IO[bytes], iinf: _Box) -> dict[int, bytes]:
    """Return the four-letter type of each item by its id."""
    types = {}
    count_bytes = 2 if _version(file, iinf) == 0 else 4
    for box in _boxes(file, iinf.start + 4 + count_bytes, iinf.end):
        entry = _Table(file, box)
        version = entry.take_version()
        if version in (2, 3):  # earlier versions have no type
            item = entry.take(2 if version == 2 else 4)
            entry.take(2)
            types[item] = entry.take(4).to_bytes(4, "big")
    return types


def _first_tiles(file: IO[bytes], iref: _Box) -> dict[int, int]:
    """Return, for each derived image, the first item that it is made of, by ids."""
    tiles = {}
    id_bytes = 2 if _version(file, iref) == 0 else 4
    for box in _boxes(file, iref.start + 4, iref.end):
        reference = _Table(file, box)
        if box.kind == b"dimg":
            item = reference.take(id_bytes)
            if reference.take(2) > 0:
                tiles[item] = reference.take(id_bytes)
    return tiles


def _version(file: IO[bytes], box: _Box) -> int:
    return _Table(file, _Box(kind=box.kind, start=box.start, end=min(box.end, box.start + 4))).take_version()
