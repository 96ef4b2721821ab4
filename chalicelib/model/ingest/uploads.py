"""Uploads: objects that were announced or have arrived in the bucket."""

from datetime import datetime
from typing import Literal

from msgspec import Struct


class StoredUpload(Struct, frozen=True, kw_only=True):
    """A row of `uploads`. A field is None if it was not announced, or has not arrived.

    `sha256` and `size_bytes` are as announced. `multipart_id` is S3's id of an upload in parts, until it is complete.
    """

    user_id: str
    id: str
    key: str
    status: Literal["pending", "received", "duplicate", "expired"]
    filename: str
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    etag: str | None
    sequencer: str | None
    item_id: str | None
    multipart_id: str | None
    created_at: datetime
    expires_at: datetime | None
    received_at: datetime | None


class AnnouncedBytes(Struct, frozen=True, kw_only=True):
    """The hash, the size and the media type announced for an object; None if not announced."""

    sha256: str | None
    size_bytes: int | None
    content_type: str | None
