"""Items: rows, keys in S3, ids, states and filters."""

import hashlib
import uuid
from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.text import UNSTORABLE
from chalicelib.patterns import pattern

Status = Literal["PENDING", "PROCESSING", "ANALYZING", "EMBEDDING", "READY", "FAILED"]

USER_ID = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")
DERIVED_PREFIX = "_derived/"  # no user id starts with an underscore
MAX_ITEM_ID_CHARS = 200
MAX_KEY_BYTES = 1024  # S3's limit
_CONTROL = pattern(r"[\x00-\x1f\x7f\ud800-\udfff]")


class ItemRef(Struct, frozen=True, kw_only=True):
    user_id: str
    item_id: str


class Analysis(Struct, frozen=True, kw_only=True):
    """An analyzer's result. `text_in_image` is the text that was read, in reading order; "" if there is none.

    `cached`: it is that of an earlier request, which was the same. `picture` is a vector of what an image shows, of
    length 1, by which images are compared; `picture_model` made it. Most analyzers make none.
    """

    category: str
    summary: str
    labels: tuple[str, ...]
    text_in_image: str
    language: str | None
    provider: str
    model: str
    cached: bool = False
    picture: tuple[float, ...] = ()
    picture_model: str = ""


class StoredItem(Struct, frozen=True, kw_only=True):
    """A row of `items`. A field is None while it is not known yet, or if this kind of file does not have it.

    `key` is the object that the bytes are read from. `taken_at` is the camera's local time; its time zone is unknown.
    `pages_read` counts the pages whose text is stored. `unread_pages` has the numbers of the scanned pages that are
    still to be read.
    """

    id: str
    key: str
    name: str
    kind: Literal["image", "pdf"] | None
    status: Status
    failure_code: str | None
    failure_message: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None
    etag: str | None
    generation: int
    width_px: int | None
    height_px: int | None
    page_count: int | None
    pages_read: int
    unread_pages: list[int]
    scans_read: int
    title: str | None
    taken_at: datetime | None
    camera: str | None
    latitude: float | None
    longitude: float | None
    thumbnail_key: str | None
    preview_key: str | None
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None


class DescribedItem(StoredItem, frozen=True, kw_only=True):
    """An item with its current analysis, whose fields are None while there is none."""

    category: str | None
    summary: str | None
    labels: list[str] | None
    text_in_image: str | None
    language: str | None
    provider: str | None
    model: str | None
    cached: bool | None


class ItemEvent(Struct, frozen=True, kw_only=True):
    """An entry of an item's timeline. `attempt` counts from 1."""

    id: int
    at: datetime
    stage: str | None
    event: str
    attempt: int | None
    message: str | None


class ObjectKey(Struct, frozen=True, kw_only=True):
    """A key in the images bucket: `<user>/<name>`, or with folders between. `name` is the last part."""

    user_id: str
    key: str
    name: str

    @property
    def stem(self) -> str:
        """Return the preferred item id: the file name without its extension, made safe for a path."""
        return as_item_id(self.name.rpartition(".")[0] or self.name)

    def ids(self, etag: str | None) -> tuple[str, ...]:
        """Return the item ids to try, in this order, until one is free.

        The first is the stem. The others are stem~hash, with a hash of the key, of key and etag, and a random one.
        """
        salts = (self.key, f"{self.key} {etag}", uuid.uuid4().hex)
        return (self.stem, *(f"{self.stem}~{_hash8(salt)}" for salt in salts))


def as_item_id(text: str) -> str:
    """Return the text made safe for a path, as the id of an item."""
    safe = _CONTROL.sub("", text)[:MAX_ITEM_ID_CHARS].strip()
    return safe if safe.strip(".") else "item"


def _hash8(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def parse_key(key: str) -> ObjectKey:
    """Return the parts of an object's key. Raise InvalidInput for a key that cannot belong to a user."""
    user_id, slash, rest = key.partition("/")
    name = rest.rpartition("/")[2]
    if (
        not slash
        or not name
        or not USER_ID.match(user_id)
        or UNSTORABLE.search(key)
        or len(key.encode()) > MAX_KEY_BYTES
    ):
        raise InvalidInput("An object's key must be <user>/<name>.", field="key", code="invalid_key")
    return ObjectKey(user_id=user_id, key=key, name=_CONTROL.sub("", name)[:255] or "item")


def derived_folder(user_id: str, created_at: datetime, generation: int, sha256: str) -> str:
    """Return the folder of an item's thumbnail and preview.

    Its name has the content's hash, so that writing them twice is harmless. It also has the item's creation time and
    generation, so that a late removal of old files cannot hit newer ones.
    """
    return f"{DERIVED_PREFIX}{user_id}/{int(created_at.timestamp() * 1e6):x}-{generation}/{sha256}"


class ItemFilters(Struct, frozen=True, kw_only=True):
    """Conditions on a list of items; None sets no condition.

    `tag` is a label of the analysis. `text` is searched in name, title, category and summary. `collection_id` must
    name an existing collection.
    """

    kind: str | None = None
    status: Status | None = None
    tag: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    collection_id: str | None = None
