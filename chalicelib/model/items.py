"""What an item is: its key in S3, its id, its states, its cursor in lists."""

import base64
import binascii
import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.text import UNSTORABLE

Status = Literal["PENDING", "PROCESSING", "ANALYZING", "EMBEDDING", "READY", "FAILED"]

USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")
DERIVED_PREFIX = "_derived/"  # no user id starts with an underscore
MAX_ITEM_ID_CHARS = 200
MAX_KEY_BYTES = 1024  # S3's limit
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Analysis(Struct, frozen=True, kw_only=True):
    """What an analyzer found. `text_in_image` is read text in reading order, "" when there is none."""

    category: str
    summary: str
    labels: tuple[str, ...]
    text_in_image: str
    language: str | None
    provider: str
    model: str


class ObjectKey(Struct, frozen=True, kw_only=True):
    """`<user>/<name>` in the images bucket; `name` is the last part, whatever lies between."""

    user_id: str
    key: str
    name: str

    @property
    def stem(self) -> str:
        """The item id the guides promise: the file name without its extension, made safe for a path."""
        stem = self.name.rpartition(".")[0] or self.name
        stem = _CONTROL.sub("", stem)[:MAX_ITEM_ID_CHARS].strip()
        return stem if stem.strip(".") else "item"

    def ids(self, etag: str | None) -> tuple[str, ...]:
        """Item ids to try in this order: the stem; when it is taken, stem~hash8 of the key; of key and bytes; any."""
        salts = (self.key, f"{self.key} {etag}", uuid.uuid4().hex)
        return (self.stem, *(f"{self.stem}~{_hash8(salt)}" for salt in salts))


def _hash8(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def parse_key(key: str) -> ObjectKey:
    """Raises InvalidInput when no user can own this key."""
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
    """Where thumbnail and preview live: addressed by content, so that writing them twice is harmless.

    The item's birth and generation are part of it: removing old ones late cannot hit newer ones.
    """
    return f"{DERIVED_PREFIX}{user_id}/{int(created_at.timestamp() * 1e6):x}-{generation}/{sha256}"


def encode_cursor(created_at: datetime, item_id: str) -> str:
    raw = json.dumps([created_at.isoformat(), item_id]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises InvalidInput for anything encode_cursor did not make."""
    try:
        raw: Any = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        at, item_id = raw
        parsed = datetime.fromisoformat(at)
        if not isinstance(item_id, str) or UNSTORABLE.search(item_id) or parsed.tzinfo is None:
            raise ValueError(cursor)
        parsed = parsed.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidInput("This cursor is not one of ours.", field="after") from error
    return parsed, item_id
