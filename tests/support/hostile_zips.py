"""Zip archives that were made to do harm, or were damaged: each with its name."""

import io
import random
import struct
import zipfile

from tests.support.running import zipped
from tests.support.world import jpeg

MIB = 1024 * 1024


def bomb_of_one() -> bytes:
    """150 MB of zeros in 150 kB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.pdf", "w") as entry:
        for _ in range(150):
            entry.write(b"\0" * MIB)
    return out.getvalue()


def bomb_of_many() -> bytes:
    """Many entries that are each below the bound of a file, and together above that of an archive."""
    body = b"%PDF" + random.Random(1).randbytes(2_000)
    return zipped([(f"{number}.pdf", body) for number in range(300)], method=zipfile.ZIP_STORED)


def bomb_of_overlaps() -> bytes:
    """Many entries of the list that lead to the same bytes (Fifield, "A better zip bomb")."""
    plain = zipped([("a.pdf", b"\0" * 100_000)])
    start = plain.index(b"PK\x01\x02")
    end = plain.index(b"PK\x05\x06")
    entry, count = plain[start:end], 50
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    return plain[:start] + entry * count + tail


def bomb_that_lies() -> bytes:
    """An entry that says 10 bytes and has 100 MB."""
    body = b"\0" * (100 * MIB)
    plain = bytearray(zipped([("a.pdf", body)]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", plain, plain.index(signature) + offset, 10)
    return bytes(plain)


def bomb_of_nests() -> bytes:
    inner = zipped([("a.pdf", b"\0" * MIB)])
    for _ in range(5):
        inner = zipped([(f"{number}.zip", inner) for number in range(4)])
    return inner


def hundred_thousand() -> bytes:
    """A list of 100,000 entries, each of an empty file."""
    plain = zipped([("a", b"")])
    start, end = plain.index(b"PK\x01\x02"), plain.index(b"PK\x05\x06")
    listed = plain[start:end] * 100_000
    return (
        plain[:start]
        + listed
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, len(listed), start, 0)
    )


def quine() -> bytes:
    """An archive whose only entry has the archive's own name, as a quine's has. Nobody gets so far as to unpack it."""
    inner = zipped([("quine", b"x")])
    return zipped([("quine.zip", inner)])


def wrong_crc() -> bytes:
    plain = bytearray(zipped([("a.jpg", jpeg()), ("b.jpg", jpeg("blue"))], method=zipfile.ZIP_STORED))
    plain[plain.index(jpeg()) + 100] ^= 0xFF
    return bytes(plain)


def truncated() -> bytes:
    return zipped([("a.jpg", jpeg()), ("b.jpg", jpeg("blue"))])[:-40]


def cut_in_the_middle() -> bytes:
    """An entry's compressed bytes are cut out; the list is whole, and its offsets are put right."""
    plain = bytearray(zipped([("a.jpg", jpeg())]))
    at = plain.index(b"PK\x01\x02")
    plain[60:at] = bytes(at - 60)
    return bytes(plain)


def encrypted() -> bytes:
    plain = bytearray(zipped([("a.jpg", jpeg()), ("b.jpg", jpeg("blue"))]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        plain[plain.index(signature) + offset] |= 1
    return bytes(plain)


def names(*unsafe: str) -> bytes:
    return zipped([*((name, jpeg("blue")) for name in unsafe), ("good.jpg", jpeg())])


def a_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def method(number: int) -> bytes:
    return zipped([("a.pdf", b"words " * 1000)], method=number)


def zip64() -> bytes:
    """Every size and offset in the fields of zip64, as archives of more than 4 GB have them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a.jpg", "w", force_zip64=True) as entry:
        entry.write(jpeg())
    return out.getvalue()


def claims_of_zip64() -> bytes:
    """A list that says to be 16 EB long."""
    tail = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**64 - 1, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4, 1)
    return (
        b"PK\x03\x04"
        + tail
        + locator
        + struct.pack("<4s4H2LH", b"PK\x05\x06", *[0xFFFF] * 4, *[0xFFFFFFFF] * 2, 0)
    )


def noise(seed: int) -> bytes:
    """A good archive with some bytes changed."""
    chance = random.Random(seed)
    plain = bytearray(zipped([(f"{number}.jpg", jpeg(size=(40 + number, 40))) for number in range(5)]))
    for _ in range(chance.randint(1, 12)):
        plain[chance.randrange(4, len(plain))] = chance.randrange(256)
    return bytes(plain)
