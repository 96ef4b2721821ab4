"""Empties a shared library that another one is linked with, and whose functions are never called.

libheif is linked with the encoder x265, which is four fifths of pillow-heif; this app reads HEIC and writes none. What
the linker needs stays: names, relocations, constants. Machine code becomes functions that return 0, which compress to
nothing; libheif takes this 0 for an encoder that is not there. C++ libraries also export functions of the standard
library, to which others would be bound: these are taken off the list of what the library has.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

ELF_64, X86_64 = b"\x7fELF\x02\x01", 62
# xor eax, eax; ret; and traps up to 16 bytes, at which compilers align functions.
RETURN_ZERO = b"\x31\xc0\xc3" + b"\xcc" * 13
SYMBOL_BYTES = 24
# Of a symbol: its kind is weak, its section is none. The linker takes it for missing, and does not mind.
WEAK, KIND = 2 << 4, 0x0F


class Section(NamedTuple):
    """The place of a section in the file, in bytes."""

    offset: int
    size: int


def hollow(library: bytes, *, keep: bytes) -> bytes:
    """Return a library of the same length that exports only what begins with `keep`, and does nothing.

    Raise ValueError for what is no library of x86-64.
    """
    if not library.startswith(ELF_64) or struct.unpack_from("<H", library, 18) != (X86_64,):
        raise ValueError("this is no ELF library of x86-64")
    sections = dict(_sections(library))
    emptied = bytearray(library)
    start, size = sections[b".text"]
    emptied[start : start + size] = (RETURN_ZERO * (size // 16 + 1))[:size]
    symbols, names = sections[b".dynsym"], sections[b".dynstr"]
    for at in range(symbols.offset + SYMBOL_BYTES, symbols.offset + symbols.size, SYMBOL_BYTES):
        (name,) = struct.unpack_from("<I", library, at)
        (section,) = struct.unpack_from("<H", library, at + 6)
        if section and not library.startswith(keep, names.offset + name):
            emptied[at + 4] = WEAK | emptied[at + 4] & KIND
            emptied[at + 6 : at + SYMBOL_BYTES] = bytes(SYMBOL_BYTES - 6)
    return bytes(emptied)


def _sections(library: bytes) -> Iterator[tuple[bytes, Section]]:
    (headers,) = struct.unpack_from("<Q", library, 0x28)
    entry_size, count, of_names = struct.unpack_from("<3H", library, 0x3A)
    (names_at,) = struct.unpack_from("<Q", library, headers + of_names * entry_size + 0x18)
    for at in range(headers, headers + count * entry_size, entry_size):
        (name_at,) = struct.unpack_from("<I", library, at)
        name = library[names_at + name_at : library.index(b"\0", names_at + name_at)]
        yield name, Section(*struct.unpack_from("<2Q", library, at + 0x18))
