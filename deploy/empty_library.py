"""Writes a shared library that stands for one that others are linked with, and whose functions always fail.

The linker finds each name that the others look up in it; each function returns a number that its callers take for a
failure. So the library itself, and all that only it loads, need not be in the package.
"""

import struct
from collections.abc import Collection, Sequence

from deploy.elf import ELF_64, HEADER_BYTES, IS_BASE, SEGMENT_BYTES, SYMBOL_BYTES, X86_64, Symbol, symbols

PAGE_BYTES = 0x1000
FUNCTION, OBJECT, GLOBAL = 2, 1, 1 << 4
LOAD, DYNAMIC, STACK = 1, 2, 0x6474E551
READ_EXECUTE, READ_WRITE = 5, 6
# Entries of the dynamic section.
HASH, STRINGS, SYMBOLS, STRINGS_SIZE, SYMBOL_SIZE, SONAME = 4, 5, 6, 10, 11, 14
VERSION_OF_SYMBOL, VERSIONS, VERSIONS_COUNT = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD
# Places after the beginning of the code: the function that returns a number, the one that returns the address of an
# empty text, and the text, which is also the value of all variables.
NUMBER, ADDRESS, TEXT = 0, 16, 32


class _File(bytearray):
    def add(self, part: bytes, *, align: int = 16) -> int:
        """Append a part, and return its place."""
        self.extend(bytes(-len(self) % align))
        self.extend(part)
        return len(self) - len(part)


class _Strings(bytearray):
    def add(self, text: str) -> int:
        self.extend(text.encode() + b"\0")
        return len(self) - len(text) - 1


def empty_library(
    library: bytes, used_by: Sequence[bytes], *, soname: str, returns: int = 0, texts: Collection[str] = ()
) -> bytes:
    """Return a library with the names that `used_by` look up in this one. Its functions return `returns`.

    Those named in `texts` return the address of an empty text. Raise ValueError for what is no library of x86-64.
    """
    wanted = {symbol.name for other in used_by for symbol in symbols(other) if not symbol.is_defined}
    kept = sorted(symbol for symbol in symbols(library) if symbol.is_defined and symbol.name in wanted)
    strings, file = _Strings(b"\0"), _File(bytes(HEADER_BYTES + 4 * SEGMENT_BYTES))
    code = file.add(_code(returns))
    entries = [(SONAME, strings.add(soname)), (SYMBOL_SIZE, SYMBOL_BYTES)]
    entries.append((SYMBOLS, file.add(_symbols(kept, strings, code, texts))))
    # One bucket, with all symbols in a row.
    count = len(kept) + 1
    entries.append((HASH, file.add(struct.pack(f"<{count + 3}I", 1, count, 1, 0, *range(2, count), 0))))
    if versions := sorted({symbol.version for symbol in kept} - {""}):
        numbers = [versions.index(symbol.version) + 2 if symbol.version else 1 for symbol in kept]
        entries.append((VERSION_OF_SYMBOL, file.add(struct.pack(f"<{count}H", 0, *numbers))))
        entries.append((VERSIONS, file.add(_versions([soname, *versions], strings))))
        entries.append((VERSIONS_COUNT, len(versions) + 1))
    entries += [(STRINGS, file.add(bytes(strings))), (STRINGS_SIZE, len(strings)), (0, 0)]
    end = len(file)
    table = b"".join(struct.pack("<2Q", *entry) for entry in entries)
    # The linker writes to this part, so it has a page of its own.
    dynamic = file.add(table, align=PAGE_BYTES)
    file[: HEADER_BYTES + 4 * SEGMENT_BYTES] = _headers(end, dynamic, len(table))
    return bytes(file)


def _code(returns: int) -> bytes:
    number = b"\xb8" + struct.pack("<I", returns) + b"\xc3"  # mov eax, number; ret
    address = (
        b"\x48\x8d\x05" + struct.pack("<i", TEXT - ADDRESS - 7) + b"\xc3"
    )  # lea rax, [rip + distance]; ret
    return number.ljust(ADDRESS - NUMBER, b"\xcc") + address.ljust(TEXT - ADDRESS, b"\xcc") + bytes(16)


def _symbols(kept: Sequence[Symbol], strings: _Strings, code: int, texts: Collection[str]) -> bytes:
    found = bytes(SYMBOL_BYTES)
    for symbol in kept:
        place = TEXT if symbol.kind == OBJECT else ADDRESS if symbol.name in texts else NUMBER
        kind = OBJECT if symbol.kind == OBJECT else FUNCTION
        found += struct.pack("<IBBHQQ", strings.add(symbol.name), GLOBAL | kind, 0, 1, code + place, 16)
    return found


def _versions(names: Sequence[str], strings: _Strings) -> bytes:
    """Return the definitions of versions; the first is the library's own name."""
    found = b""
    for number, name in enumerate(names, 1):
        following = 28 if number < len(names) else 0
        flags = IS_BASE if number == 1 else 0
        found += struct.pack("<4H3I", 1, flags, number, 1, _hash(name), 20, following)
        found += struct.pack("<2I", strings.add(name), 0)
    return found


def _hash(name: str) -> int:
    """Return the hash of the ELF specification."""
    found = 0
    for byte in name.encode():
        found = (found << 4) + byte
        high = found & 0xF0000000
        found = (found ^ high >> 24) & ~high
    return found


def _headers(end: int, dynamic: int, size: int) -> bytes:
    header = struct.pack(
        "<7s9x2HI3QI6H",
        ELF_64 + b"\x01",
        3,
        X86_64,
        1,
        0,
        HEADER_BYTES,
        0,
        0,
        HEADER_BYTES,
        SEGMENT_BYTES,
        4,
        0,
        0,
        0,
    )
    segments = (
        (LOAD, READ_EXECUTE, 0, end),
        (LOAD, READ_WRITE, dynamic, size),
        (DYNAMIC, READ_WRITE, dynamic, size),
        (STACK, READ_WRITE, 0, 0),
    )
    return header + b"".join(
        struct.pack("<2I6Q", kind, flags, at, at, at, length, length, PAGE_BYTES if kind == LOAD else 8)
        for kind, flags, at, length in segments
    )
