"""The events we take, as AWS or an operator writes them. Unknown keys are ignored, missing ones refused."""

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from chalicelib.errors import InvalidInput

T = TypeVar("T")


class Bucket(Struct, frozen=True, kw_only=True):
    name: str


class S3Object(Struct, frozen=True, kw_only=True):
    key: str
    etag: str | None = None
    sequencer: str | None = None
    size: int | None = None


class ObjectDetail(Struct, frozen=True, kw_only=True):
    bucket: Bucket
    object: S3Object


class ObjectCreated(Struct, frozen=True, kw_only=True):
    """S3's own event through EventBridge, or our sweeper's wake-up in its shape."""

    detail: ObjectDetail
    source: str = "aws.s3"
    time: datetime | None = None


class StageDetail(Struct, frozen=True, kw_only=True):
    item_id: str
    user_id: str
    bucket: str
    original_key: str


class StageEvent(Struct, frozen=True, kw_only=True):
    """ImageProcessed, DocumentProcessed or AnalysisComplete; a hand-made one needs no more than `detail`."""

    detail: StageDetail


class RunDetail(Struct, frozen=True, kw_only=True):
    run_id: UUID
    user_id: Annotated[str, Meta(pattern=r"^[^\x00\ud800-\udfff]{1,200}\Z")]


class RunEvent(Struct, frozen=True, kw_only=True):
    """RunQueued: somebody is to look at this run."""

    detail: RunDetail


class Tick(Struct, frozen=True, kw_only=True):
    """A schedule's event; `time` is when it was due."""

    time: datetime


def parse(event: Any, shape: type[T]) -> T:
    """Raises InvalidInput naming the part that is missing or wrong."""
    try:
        return msgspec.convert(event, shape)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"Not an event we take: {error}", code="invalid_event") from error
