"""Accepted files: their media types and signatures, the limits, and the reasons why a file is refused."""

import re
from collections.abc import Collection, Iterable
from typing import Literal

from msgspec import Struct

from chalicelib.errors import BadFile
from chalicelib.patterns import pattern

Kind = Literal["image", "pdf"]

KIND_OF_MEDIA_TYPE: dict[str, Kind] = {
    "image/jpeg": "image",
    "image/png": "image",
    "image/webp": "image",
    "image/gif": "image",
    "image/heic": "image",
    "application/pdf": "pdf",
}

MEDIA_TYPE_OF_EXTENSION = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heic",
    "pdf": "application/pdf",
}


class FileLimits(Struct, frozen=True, kw_only=True):
    """Limits on one file. A file beyond one of them is a BadFile; this is found before or while it is decoded."""

    max_bytes: int = 200 * 1024 * 1024
    max_pixels: int = 100_000_000
    max_pages: int = 2_000
    # In units of text_size: each character of a page that has non-ASCII characters counts as two, or as four if the
    # page has characters beyond U+FFFF.
    max_text_chars: int = 10_000_000
    memory_bytes: int = 1024 * 1024 * 1024
    timeout_s: float = (
        25.0  # so that, with the work before and after decoding, the result is there within 30 s
    )


PARTS_ABOVE_BYTES = 32 * 1024 * 1024  # files larger than this are uploaded in parts
PART_BYTES = 16 * 1024 * 1024  # S3 takes parts of 5 MiB to 5 GiB; the last part may be smaller


def part_sizes(size_bytes: int) -> dict[int, int]:
    """Return the parts that a file of this size is uploaded in: part number, from 1, to bytes.

    The result is empty for a file that is uploaded whole.
    """
    if size_bytes <= PARTS_ABOVE_BYTES:
        return {}
    starts = range(0, size_bytes, PART_BYTES)
    return {number: min(PART_BYTES, size_bytes - start) for number, start in enumerate(starts, start=1)}


class ReadBounds(Struct, frozen=True, kw_only=True):
    """Bounds on the pages of a document that are read in one run. The page that passes one of them is the last."""

    pages: int = 500
    text_size: int = 1_000_000
    seconds: float = 8.0


class Page(Struct, frozen=True, kw_only=True):
    """A page with its text, "" if it has none. A scan is a page whose picture shows more than its text says."""

    number: int
    text: str
    is_scan: bool = False


class DecodedFile(Struct, frozen=True, kw_only=True):
    """A decoder's result. EXIF values are None when they are absent or unreadable.

    `pages` are the pages of the first ReadBounds, out of `page_count`. An image has no pages.
    """

    kind: Kind
    media_type: str
    width_px: int
    height_px: int
    page_count: int
    pages: tuple[Page, ...]
    thumbnail_jpeg: bytes
    preview_jpeg: bytes
    taken_at: str | None
    camera: str | None
    latitude: float | None
    longitude: float | None
    title: str | None


# Shared by too_slow and too_much_memory: which of them ends the reading depends on how busy the machine is.
_TOO_COSTLY = (
    "Reading the file takes more time or memory than one file may use, {limits.timeout_s:g} seconds and "
    "{limits.memory_bytes:,} bytes. Divide it into smaller files, or make its pictures or pages simpler."
)

# Reason code -> the sentence shown to the file's owner. Codes are stable: they are stored with the item.
REASONS = {
    "empty_file": "The file is empty.",
    "unsupported_format": "This is not a JPEG, PNG, WebP, GIF, HEIC or PDF file, whatever its name says.",
    "mislabelled": "The file was announced as an image but is a PDF, or was announced as a PDF but is an image.",
    "truncated": "The file ends too early; it was probably cut off while it was copied or uploaded.",
    "corrupt": "The file is damaged and cannot be read.",
    "encrypted": "The PDF is protected by a password. Remove the password and upload it again.",
    "too_large": "The file is larger than the limit of {limits.max_bytes:,} bytes.",
    "too_many_pixels": "The image has more pixels than the limit of {limits.max_pixels:,}.",
    "too_many_pages": "The PDF has more pages than the limit of {limits.max_pages:,}.",
    "no_pages": "The PDF has no pages.",
    "text_too_large": "The PDF has more text than the limit of {limits.max_text_chars:,} characters.",
    "too_slow": _TOO_COSTLY,
    "too_much_memory": _TOO_COSTLY,
    "decoder_crashed": "The file made the program that reads it crash; it is damaged, or was made to do harm.",
}

# Contents of a HEIF file that are not HEVC images: item type -> its name. `moov` is a box, not an item type.
CODECS = {
    "av01": "an AV1 image, as AVIF files do",
    "avc1": "an H.264 image",
    "evc1": "an EVC image",
    "j2k1": "a JPEG 2000 image",
    "jpeg": "a JPEG image",
    "moov": "a video and no still image",
    "unci": "an uncompressed image",
    "vvc1": "an H.266 (VVC) image",
}
_OTHER_CODEC = (
    "This HEIC file holds {codec}; only HEVC images are read. Save it as JPEG or PNG and upload that."
)


def bad_file(code: str, limits: FileLimits, *, codec: str | None = None) -> BadFile:
    """Return the error for a code of REASONS, with the limits filled into its sentence.

    With a `codec`, the four-letter type of a HEIF item, the sentence names the codec instead.
    """
    if codec is None:
        return BadFile(REASONS[code].format(limits=limits), code=code)
    name = CODECS.get(codec, "an image in an unknown codec")
    error = BadFile(_OTHER_CODEC.format(codec=name), code=code)
    error.codec = codec
    return error


def paginate(texts: Iterable[str], *, first: int = 1, scans: Collection[int] = ()) -> tuple[Page, ...]:
    """Return the texts as pages, numbered from `first`. `scans` has the numbers of the pages that are scans."""
    return tuple(
        Page(number=number, text=text, is_scan=number in scans)
        for number, text in enumerate(texts, start=first)
    )


def scans_of(pages: Iterable[Page]) -> list[int]:
    """Return the numbers of the pages that are scans, in order."""
    return [page.number for page in pages if page.is_scan]


def text_size(text: str) -> int:
    """Return what a page's text counts against max_text_chars: its bytes in memory.

    CPython stores all characters of a text in the width of the widest: 1, 2 or 4 bytes.
    """
    return len(text) * (1 if text.isascii() else 2 if max(text) <= "\uffff" else 4)


SNIFF_BYTES = 1024
# Signatures of formats that are not accepted. A file that begins with one is refused, even if a PDF header follows.
_OTHER_FORMAT = pattern(
    rb"PK[\x03\x05]|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ|\xd0\xcf\x11\xe0|\x7fELF|MZ|#!|%!PS|\{\\rtf"
    rb"|II\*\x00|MM\x00\*|BM.{4}\x00{4}|8BPS|\x00\x00[\x01\x02]\x00|RIFF|OggS|ID3|.{4}(?:ftyp|jP  |JXL )"
    rb"|\s*<(?i:!doctype|html|head|body|script|svg|\?xml|\?php)",
    re.DOTALL,
)
_HEVC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")


def sniff_media_type(head: bytes) -> str | None:
    """Return the media type that a file's first SNIFF_BYTES show, or None for a format that is not accepted.

    An image is known by its very first bytes. A PDF's header may come anywhere in the first 1,024 bytes, for example
    after the header of a mail or a printer (Adobe's PDF Reference 1.7, implementation note 13). PDFium counts offsets
    from the PDF header.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[4:8] == b"ftyp" and _is_heic(head):
        return "image/heic"
    if b"%PDF-" in head[:SNIFF_BYTES] and not _OTHER_FORMAT.match(head):
        return "application/pdf"
    return None


def _is_heic(head: bytes) -> bool:
    """Return whether the brands of an ISO media file are HEVC brands, or mif1 or msf1 without AVIF brands."""
    box_end = min(int.from_bytes(head[:4], "big"), 32)
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, box_end, 4))}
    if brands & {b"avif", b"avis"}:
        return False
    return not brands.isdisjoint(_HEVC_BRANDS) or head[8:12] in (b"mif1", b"msf1")


_END_MARKS = {
    "image/jpeg": b"\xff\xd9",
    "image/png": b"IEND",
    "image/gif": b";",
    "application/pdf": b"%%EOF",
}


def ends_early(media_type: str, *, tail: bytes, size_bytes: int, head: bytes) -> bool:
    """Return whether the end mark of the file's format is missing. This is a guess that explains a failed decode.

    `tail` is the file's last KB. HEIC has no end mark: its boxes are checked before it is decoded
    (providers/ingest/heif_boxes.py).
    """
    if media_type == "image/webp":
        return size_bytes < int.from_bytes(head[4:8], "little") + 8
    mark = _END_MARKS.get(media_type)
    return mark is not None and mark not in tail
