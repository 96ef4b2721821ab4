"""The format of an export as an import reads it: manifest and lines, and the errors of parts that do not fit."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from chalicelib.errors import BadFile
from chalicelib.model.jobs.exports import FORMAT, FORMAT_VERSION, MAX_PARTS, NEXT_PHASE, PART_BYTES
from chalicelib.model.practice.reviews import ReviewSettings

MANIFEST = "manifest.json"
ORIGINALS, ITEMS, DERIVED = "originals", "items", "derived"
FOLDERS = (
    ORIGINALS,
    *(phase for phase in NEXT_PHASE if phase != "items"),
)  # of the entries that are lines of the run
READ_VERSIONS = (2, FORMAT_VERSION)
MAX_BYTES = MAX_PARTS * PART_BYTES  # what an export can have
MAX_ENTRIES = 250_000
MAX_DIRECTORY_BYTES = 32 * 1024 * 1024
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_LINES_BYTES = 200 * 1024 * 1024  # an entry of lines, unpacked: two are on disk at once, which has 512 MB
MAX_LINE_BYTES = 16 * 1024 * 1024
LAST_YEAR = 2200  # later times cannot be shown

Text = Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Listed(Struct, frozen=True, kw_only=True):
    """An entry as the manifest lists it."""

    name: Annotated[Text, Meta(min_length=1, max_length=1000)]
    size_bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]


class Manifest(Struct, frozen=True, kw_only=True):
    format: str
    version: int
    counts: dict[str, int]
    entries: list[Listed]


class _Head(Struct, frozen=True, kw_only=True):
    """The fields that say whether the rest can be read."""

    format: Any = None
    version: Any = None


class ItemLine(Struct, frozen=True, kw_only=True):
    """An item of an export. `original` is the entry with its file."""

    id: Annotated[Text, Meta(min_length=1, max_length=255)]
    name: Annotated[Text, Meta(min_length=1, max_length=1000)]
    status: str
    original: str | None
    kind: Literal["image", "pdf"] | None = None
    media_type: str | None = None
    sha256: str | None = None
    width_px: Count | None = None
    height_px: Count | None = None
    page_count: Count | None = None
    pages_read: Count = 0
    unread_pages: list[Count] = []
    scans_read: Count = 0
    title: Text | None = None
    taken_at: datetime | None = None
    camera: Text | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    created_at: Annotated[datetime, Meta(tz=True)]


class TextLine(Struct, frozen=True, kw_only=True):
    """A chunk. The index of words takes no longer texts."""

    source: Literal["text", "ocr", "caption"]
    ordinal: Count
    page: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    char_start: Count
    char_end: Count
    text: Annotated[Text, Meta(min_length=1, max_length=50_000)]


class VectorLine(Struct, frozen=True, kw_only=True):
    source: str
    ordinal: int
    kind: Literal["text", "picture"] = "text"  # version 2 has vectors of texts only
    model: str
    dimensions: int
    vector: bytes  # base64 in the line


class PicturesLine(Struct, frozen=True, kw_only=True):
    thumbnail: bytes
    preview: bytes


class CardLine(Struct, frozen=True, kw_only=True):
    """A card of an export. `settings` is a digest of the review settings beside which it was planned."""

    stability: Annotated[float, Meta(gt=0, le=100_000)] | None
    difficulty: Annotated[float, Meta(ge=1, le=10)] | None
    interval_days: Annotated[float, Meta(ge=0, le=100_000)] | None
    last_reviewed_at: Annotated[datetime, Meta(tz=True)] | None
    due_at: Annotated[datetime, Meta(tz=True)]
    review_count: Count
    lapse_count: Count
    planned_with: Annotated[int, Meta(ge=-1, le=2**31 - 1)]
    settings: str | None


Loss = Annotated[float, Meta(ge=0, le=100)]


class SettingsLine(ReviewSettings, frozen=True, kw_only=True):
    """Review settings of an export. The bounds of `parameters` are those that a fit keeps to, or wider."""

    version: Count
    desired_retention: Annotated[float, Meta(ge=0.7, le=0.97)]
    day_begins_utc_hour: Annotated[int, Meta(ge=0, le=23)]
    new_a_day: Annotated[int, Meta(ge=1, le=1000)]
    parameters: (
        Annotated[list[Annotated[float, Meta(ge=0, le=100)]], Meta(min_length=21, max_length=21)] | None
    )
    fitted_at: Annotated[datetime, Meta(tz=True)] | None
    fitted_reviews: Count | None
    log_loss_default: Loss | None
    log_loss_fitted: Loss | None


def read_manifest(body: bytes) -> Manifest:
    """Return the manifest. Raise BadFile for another format, a version that is not read, or one that is damaged."""
    try:
        head = msgspec.json.decode(body, type=_Head)
    except msgspec.DecodeError as error:
        raise BadFile("manifest.json is damaged: it is no JSON object.", code="bad_manifest") from error
    if head.format != FORMAT:
        raise not_an_export()
    if head.version not in READ_VERSIONS:
        version = str(head.version)[:20]
        said = f"This export has version {version}; {' and '.join(map(str, READ_VERSIONS))} are read. Make a new one."
        raise BadFile(said, code="unknown_export_version")
    try:
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadFile(f"manifest.json is damaged: {error}.", code="bad_manifest") from error


def not_an_export() -> BadFile:
    said = "This zip is no export: it has no manifest.json of one. A job of kind zip_import takes other zips."
    return BadFile(said, code="not_an_export")


def missing(name: str) -> BadFile:
    return BadFile(f"The zip has no {name}, which its manifest lists.", code="entry_missing")


def changed(name: str) -> BadFile:
    said = f"{name} is not what the manifest lists: its size or checksum differs."
    return BadFile(said, code="entry_changed")


def bad_line(name: str, reason: str) -> BadFile:
    return BadFile(f"A line of {name} cannot be imported: {reason[:300]}", code="bad_line")


def check_times(line: Any) -> None:
    """Raise ValueError for a time, anywhere in the line, that is none or that cannot be shown."""
    if isinstance(line, list):
        for each in line:
            check_times(each)
    elif isinstance(line, dict):
        for name, value in line.items():
            if name.endswith("_at") and value is not None:
                if not 1 <= msgspec.convert(value, datetime, strict=False).year <= LAST_YEAR:
                    raise ValueError(f"{name} is later than the year {LAST_YEAR}")
            elif isinstance(value, dict | list):
                check_times(value)
