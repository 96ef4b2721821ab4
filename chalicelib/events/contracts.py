"""The events we take, as AWS or an operator writes them. Unknown keys are ignored, missing ones refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from chalicelib.errors import InvalidInput

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Object:
    key: str
    etag: str | None = None
    sequencer: str | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectDetail:
    bucket: Bucket
    object: S3Object


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectCreated:
    """S3's own event through EventBridge, or our sweeper's wake-up in its shape."""

    detail: ObjectDetail
    source: str = "aws.s3"
    time: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StageDetail:
    item_id: str
    user_id: str
    bucket: str
    original_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEvent:
    """ImageProcessed, DocumentProcessed or AnalysisComplete; a hand-made one needs no more than `detail`."""

    detail: StageDetail


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A schedule's event; `time` is when it was due."""

    time: datetime


def parse(event: Any, shape: type[T]) -> T:
    """Raises InvalidInput naming the part that is missing or wrong."""
    try:
        return msgspec.convert(event, shape)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"Not an event we take: {error}", code="invalid_event") from error
