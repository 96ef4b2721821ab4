"""HEIC files: pictures that pillow-heif encodes, and boxes made by hand in the forms that it does not write."""

import random
from collections.abc import Sequence
from functools import cache

import pillow_heif
from PIL import Image

from tests.hostile.images import encode


@cache
def heic(tile_size: int = 0) -> bytes:
    """Return a picture of 600 x 400 in noise, so that each tile has bytes of its own; `tile_size` makes a grid."""
    pillow_heif.register_heif_opener()
    noise = Image.frombytes("RGB", (150, 100), random.Random(1).randbytes(150 * 100 * 3))
    return encode(noise.resize((600, 400)), "HEIF", tile_size=tile_size, quality=30)


def plain_heic(size: tuple[int, int]) -> bytes:
    """Return a grid in one colour."""
    pillow_heif.register_heif_opener()
    return encode(Image.new("RGB", size, "red"), "HEIF", tile_size=512)


@cache
def avif_as_heif() -> bytes:
    """Return an AV1 image whose brands say no more than that it is an image file."""
    content = encode(Image.new("RGB", (64, 48), "red"), "AVIF")
    brands_end = int.from_bytes(content[:4], "big")
    return box(b"ftyp", b"mif1", bytes(4), b"miaf" * (brands_end // 4 - 4)) + content[brands_end:]


def box(kind: bytes, *content: bytes, size: int | None = None) -> bytes:
    """Return a box; with `size` 0 to the file's end, with `size` 1 its size in 64 bits."""
    inside = b"".join(content)
    if size == 1:
        return (1).to_bytes(4, "big") + kind + (len(inside) + 16).to_bytes(8, "big") + inside
    return (len(inside) + 8 if size is None else size).to_bytes(4, "big") + kind + inside


def full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *content)


def number(value: int, size_bytes: int) -> bytes:
    return value.to_bytes(size_bytes, "big")


def iloc(
    items: dict[int, Sequence[tuple[int, int]]], *, version: int = 1, method: int = 0, wide: bool = False
) -> bytes:
    """Return an iloc box: (offset, length) of items' extents by id. `wide`: in 64 bits, with a base and an index."""
    id_bytes = 4 if version == 2 else 2
    size = 8 if wide else 4
    index = size if wide and version else 0
    parts = [bytes([size << 4 | size, (size if wide else 0) << 4 | index]), number(len(items), id_bytes)]
    for item, extents in items.items():
        parts += [number(item, id_bytes), number(method, 2) if version else b"", bytes(2)]
        base = min(offset for offset, _ in extents) if wide else 0
        parts += [number(base, size) if wide else b"", number(len(extents), 2)]
        for offset, length in extents:
            parts += [bytes(index), number(offset - base, size), number(length, size)]
    return full(b"iloc", *parts, version=version)


def iinf(types: dict[int, bytes], *, version: int = 2) -> bytes:
    """Return an iinf box: items' types by id. Entries of version 3 have ids of 32 bits."""
    id_bytes = 4 if version == 3 else 2
    entries = [
        full(b"infe", number(item, id_bytes), bytes(2), kind, b"\0", version=version)
        for item, kind in types.items()
    ]
    return full(b"iinf", number(len(types), 2), *entries)


def dimg(item: int, *tiles: int, version: int = 0) -> bytes:
    """Return a dimg reference: an image is made of others."""
    ids = 4 if version else 2
    made_of = b"".join(number(tile, ids) for tile in tiles)
    return full(b"iref", box(b"dimg", number(item, ids), number(len(tiles), 2), made_of), version=version)


FTYP = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
PRIMARY = full(b"pitm", number(1, 2))


def meta(*content: bytes) -> bytes:
    return full(b"meta", *content)


def by_hand(
    *, version: int = 1, wide: bool = False, mdat_size: int | None = None, meta_first: bool = True
) -> bytes:
    """Return a grid of two tiles of 50 bytes each, one of them in two extents."""

    def tables(mdat_at: int) -> bytes:
        at = mdat_at + (16 if mdat_size == 1 else 8)
        extents = {2: [(at, 50)], 3: [(at + 70, 30), (at + 50, 20)]}
        grid = {1: b"grid", 2: b"hvc1", 3: b"hvc1"}
        return meta(PRIMARY, iinf(grid), dimg(1, 2, 3), iloc(extents, version=version, wide=wide))

    mdat = box(b"mdat", bytes(range(100)), size=mdat_size)
    if meta_first:
        return FTYP + tables(len(FTYP) + len(tables(0))) + mdat
    return FTYP + mdat + tables(len(FTYP))
