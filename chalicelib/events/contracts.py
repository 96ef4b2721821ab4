"""The events we take, as AWS or an operator writes them. Unknown keys are ignored, missing ones refused."""

from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_plus

import msgspec
from msgspec import Meta, Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.work.tasks import TaskRef

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
    """S3's own event through EventBridge."""

    detail: ObjectDetail
    time: datetime | None = None


class NotifiedObject(Struct, frozen=True, kw_only=True, rename="camel"):
    """An object as S3's own notification writes it: the key is URL-encoded, with a plus for a space."""

    key: str
    e_tag: str | None = None
    sequencer: str | None = None
    size: int | None = None


class NotifiedS3(Struct, frozen=True, kw_only=True):
    bucket: Bucket
    object: NotifiedObject


class NotificationRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    s3: NotifiedS3
    event_time: datetime | None = None

    def created(self) -> ObjectCreated:
        """Return the event that EventBridge would have sent."""
        told = self.s3.object
        obj = S3Object(key=unquote_plus(told.key), etag=told.e_tag, sequencer=told.sequencer, size=told.size)
        return ObjectCreated(detail=ObjectDetail(bucket=self.s3.bucket, object=obj), time=self.event_time)


class Notification(Struct, frozen=True, kw_only=True):
    """S3's event to a function that the bucket calls itself."""

    Records: list[NotificationRecord]


# What Postgres can store: no NUL, and no half of a surrogate pair.
Text = Annotated[str, Meta(pattern=r"^[^\x00\ud800-\udfff]*\Z")]


class StageDetail(Struct, frozen=True, kw_only=True):
    item_id: Text
    user_id: Text
    bucket: Text
    original_key: Text
    traceparent: Any = None


class StageEvent(Struct, frozen=True, kw_only=True):
    """ImageProcessed, DocumentProcessed or AnalysisComplete; a hand-made one needs no more than `detail`."""

    detail: StageDetail


class ListedObject(Struct, frozen=True, kw_only=True):
    """An object of a batch; `index` is its place in the whole list, from 0."""

    index: Annotated[int, Meta(ge=0, le=2**31 - 3)]
    key: Text
    size: Annotated[int, Meta(ge=0)]


class ListedDetail(Struct, frozen=True, kw_only=True):
    user_id: Text
    run_id: Text
    objects: list[ListedObject]


class ObjectsListed(Struct, frozen=True, kw_only=True):
    """A batch of objects that the stage's state machine has listed (deploy/base.yaml)."""

    detail: ListedDetail


class Message(Struct, frozen=True, kw_only=True):
    """The body of a message of our queues. What is no traceparent is ignored."""

    task: TaskRef
    traceparent: Any = None


class Record(Struct, frozen=True, kw_only=True):
    """One message as SQS hands it to a function."""

    body: str


class Messages(Struct, frozen=True, kw_only=True):
    """Lambda's event for messages of a queue."""

    Records: list[Record]


class Tick(Struct, frozen=True, kw_only=True):
    """A schedule's event; `time` is when it was due."""

    time: datetime


def parse(event: Any, shape: type[T]) -> T:
    """Raises InvalidInput naming the part that is missing or wrong."""
    try:
        return msgspec.convert(event, shape)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"Not an event we take: {error}", code="invalid_event") from error


def parse_json(text: str, shape: type[T]) -> T:
    """Raise InvalidInput naming the part that is missing or wrong."""
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise InvalidInput(f"Not a message we take: {error}", code="invalid_message") from error
