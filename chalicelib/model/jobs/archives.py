"""Reads zip archives that may be hostile: a verdict for the archive, and one for each of its entries.

The standard library's zipfile reads them, over a file that is read by ranges; the list of entries is bounded before it
is parsed, and an entry is inflated piece by piece, never further than it says it is long. Only `stored` and `deflated`
entries are read: zlib bounds what it makes of a piece, and no other decompressor sees the bytes. No name of an archive
becomes a path: its last part becomes a part of a key in S3.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from chalicelib.errors import BadFile
from chalicelib.model.jobs.runs import RunFile

MAX_ENTRIES = 10_000
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
MAX_RATIO = 200
RATIO_FROM_BYTES = 1024 * 1024  # a small file does no harm, however well it was compressed
MAX_TOTAL_BYTES = 10 * 1024**3
PIECE_BYTES = 64 * 1024
PART_BYTES = 8 * 1024 * 1024  # S3 takes parts of at least 5 MiB
SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_UNSAFE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:|[\x00-\x1f\x7f]")
_NOT_A_FILE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
# What zipfile raises over damaged bytes. OSError is a seek before the beginning; S3's errors are the app's own.
_BAD = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError, OSError)


class EntryLimits(Struct, frozen=True, kw_only=True):
    max_file_bytes: int
    max_entries: int = MAX_ENTRIES
    max_total_bytes: int = MAX_TOTAL_BYTES


def is_archive(head: bytes) -> bool:
    return head.startswith(SIGNATURES)


def open_archive(file: BinaryIO) -> zipfile.ZipFile:
    """Read the archive's list of entries. Raise BadFile for one that is damaged, cut off or too long."""
    try:
        return zipfile.ZipFile(file)
    except _BAD as error:
        raise BadFile(
            "The archive is damaged, or was cut off: its list of files cannot be read.", code="bad_archive"
        ) from error


def check_length(archive: zipfile.ZipFile, limits: EntryLimits) -> None:
    """Raise BadFile for an archive of too many entries."""
    count = len(archive.infolist())
    if count > limits.max_entries:
        said = f"The archive has {count:,} entries; at most {limits.max_entries:,} are taken. Divide it."
        raise BadFile(said, code="too_many_entries")


def list_files(archive: zipfile.ZipFile, limits: EntryLimits) -> Iterator[RunFile]:
    """Yield a line for each file of the archive, with its verdict if it is not to be read."""
    total = 0
    for number, entry in enumerate(archive.infolist(), start=1):
        if entry.is_dir():
            continue
        verdict = _verdict(entry, limits)
        if verdict is None:
            total += entry.file_size
            if total > limits.max_total_bytes:
                said = f"The files up to this one have more than {limits.max_total_bytes:,} bytes together."
                verdict = ("failed", "archive_too_large", said)
        outcome, code, message = verdict or (None, None, None)
        yield RunFile(
            number=number,
            line=number,
            name=shown_name(entry.filename),
            size_bytes=entry.file_size,
            outcome=outcome,  # type: ignore[arg-type]
            code=code,
            message=message,
        )


def read_entry(archive: zipfile.ZipFile, number: int) -> Iterator[bytes]:
    """Yield the entry's bytes in parts of PART_BYTES. Raise BadFile when they are not what the archive says."""
    entry = archive.infolist()[number - 1]
    part, left = bytearray(), entry.file_size
    try:
        with archive.open(entry) as opened:
            while piece := opened.read(PIECE_BYTES):
                part += piece
                left -= len(piece)
                if len(part) >= PART_BYTES:
                    yield bytes(part)
                    part.clear()
        if left:
            raise EOFError
    except _BAD as error:
        said = "This file of the archive is damaged: its bytes do not fit its length or its checksum."
        raise BadFile(said, code="corrupt_entry") from error
    yield bytes(part)


def base_name(name: str) -> str:
    """Return the last part of an entry's name."""
    return name.rpartition("/")[2] or "file"


def _verdict(entry: zipfile.ZipInfo, limits: EntryLimits) -> tuple[str, str, str] | None:
    """Return (outcome, code, sentence) for an entry that is not read, else None."""
    name, ratio = entry.orig_filename, entry.file_size / max(entry.compress_size, 1)
    if _NOT_A_FILE.search(name):
        return "skipped", "system_file", "A file that an operating system adds to archives."
    if unreadable := unreadable_entry(entry):
        return ("failed", *unreadable)
    if name.lower().endswith((".zip", ".7z", ".rar", ".gz", ".tar", ".jar")):
        return (
            "failed",
            "nested_archive",
            "An archive in an archive is not read. Unpack it, or send it alone.",
        )
    if entry.file_size == 0:
        return "failed", "empty_file", "The file is empty."
    if entry.file_size > limits.max_file_bytes:
        said = f"The file has {entry.file_size:,} bytes; at most {limits.max_file_bytes:,} are taken."
        return "failed", "too_large", said
    if entry.file_size >= RATIO_FROM_BYTES and ratio > MAX_RATIO:
        said = f"The file was compressed {ratio:,.0f} to 1; more than {MAX_RATIO} to 1 is not read."
        return "failed", "suspicious_compression", said
    return None


def unreadable_entry(entry: zipfile.ZipInfo) -> tuple[str, str] | None:
    """Return (code, sentence) for an entry whose bytes are never read, whatever they are to be; else None."""
    name = entry.orig_filename
    if _UNSAFE.search(name) or "\\" in name:
        return "unsafe_name", "The name leads out of the archive, or has characters that no file name has."
    if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
        return "not_a_file", "This is a link or a device, not a file."
    if entry.flag_bits & 0x1:
        return "encrypted", "The file is protected by a password. Pack it without one."
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "unsupported_compression", "Only the compression methods stored and deflated are read."
    return None


def shown_name(name: str) -> str:
    """Return an entry's name as it can be stored."""
    return re.sub(r"[\x00\ud800-\udfff]", "_", name)[:1000] or "file"
