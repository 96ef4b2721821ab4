"""Reads shared libraries of Linux on x86-64, and leaves out what the linker does not load."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

ELF_64, X86_64 = b"\x7fELF\x02\x01", 62
HEADER_BYTES, SEGMENT_BYTES, SYMBOL_BYTES = 64, 56, 24
IS_BASE = 1  # a flag of the version that is the library's own name


class Symbol(NamedTuple):
    """A name that a library has, or looks up in others. `version` is "" if it has none."""

    name: str
    kind: int
    is_defined: bool
    version: str


def loaded_part(library: bytes) -> bytes:
    """Return a library with what its segments name, so without symbols and lines for debuggers."""
    _require_elf(library)
    (table,) = struct.unpack_from("<Q", library, 0x20)
    (count,) = struct.unpack_from("<H", library, 0x38)
    parts = [(0, HEADER_BYTES), (table, SEGMENT_BYTES * count)]
    for number in range(count):
        offset, _, _, size = struct.unpack_from("<4Q", library, table + SEGMENT_BYTES * number + 8)
        parts.append((offset, size))
    kept = bytearray(max(offset + size for offset, size in parts))
    for offset, size in parts:
        kept[offset : offset + size] = library[offset : offset + size]
    struct.pack_into("<Q", kept, 0x28, 0)  # there is no table of sections any more
    struct.pack_into("<2H", kept, 0x3C, 0, 0)
    return bytes(kept)


def symbols(library: bytes) -> Iterator[Symbol]:
    """Yield the symbols that the linker sees. Raise ValueError for what is no library of x86-64."""
    _require_elf(library)
    sections = dict(_sections(library))
    names, size = sections[b".dynstr"][0], sections[b".dynsym"][1]
    versions = dict(_versions(library, sections))
    numbers = sections.get(b".gnu.version")
    for number in range(1, size // SYMBOL_BYTES):
        at = sections[b".dynsym"][0] + number * SYMBOL_BYTES
        name, info, _, section = struct.unpack_from("<IBBH", library, at)
        version = struct.unpack_from("<H", library, numbers[0] + 2 * number)[0] if numbers else 0
        yield Symbol(
            _text(library, names + name), info & 0x0F, bool(section), versions.get(version & 0x7FFF, "")
        )


def _versions(library: bytes, sections: dict[bytes, tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Yield number and name of each version that the library has."""
    at, size = sections.get(b".gnu.version_d", (0, 0))
    while size:
        _, flags, number, _, _, name_at, following = struct.unpack_from("<4H3I", library, at)
        (name,) = struct.unpack_from("<I", library, at + name_at)
        if not flags & IS_BASE:
            yield number, _text(library, sections[b".dynstr"][0] + name)
        at, size = at + following, following


def _sections(library: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield name, and place and size in the file, of each section."""
    (headers,) = struct.unpack_from("<Q", library, 0x28)
    entry_size, count, of_names = struct.unpack_from("<3H", library, 0x3A)
    (names_at,) = struct.unpack_from("<Q", library, headers + of_names * entry_size + 0x18)
    for at in range(headers, headers + count * entry_size, entry_size):
        (name_at,) = struct.unpack_from("<I", library, at)
        yield _text(library, names_at + name_at).encode(), struct.unpack_from("<2Q", library, at + 0x18)


def _text(library: bytes, at: int) -> str:
    return library[at : library.index(b"\0", at)].decode()


def _require_elf(library: bytes) -> None:
    if not library.startswith(ELF_64) or struct.unpack_from("<H", library, 18) != (X86_64,):
        raise ValueError("this is no ELF library of x86-64")
