"""Uploads: announce a file, get the form that S3 takes it by, see what became of it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http import Answer, Body, Request, Routes
from chalicelib.api.items import Item, item_of
from chalicelib.errors import TooLarge
from chalicelib.model.files import KIND_OF_MEDIA_TYPE
from chalicelib.ops import browse, manage

routes = Routes("uploads")
FileName = Annotated[
    str, Meta(min_length=1, max_length=255, description="With its extension; / and \\ become _.")
]
Sha256 = Annotated[
    str, Meta(pattern="^[0-9a-f]{64}$", description="Of the bytes: known ones need no upload.")
]


class NewUpload(Body, frozen=True, kw_only=True):
    filename: FileName
    content_type: Annotated[str, Meta(max_length=100, extra_json_schema={"enum": [*KIND_OF_MEDIA_TYPE]})]
    size_bytes: Annotated[int, Meta(ge=1, le=5 * 1024**3)]
    sha256: Sha256 | None = None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """POST `fields` and then the file, as the last part `file` of a multipart form, to `url` before `expires_at`."""

    object: Literal["upload"] = "upload"
    id: str
    key: str
    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: datetime
    item: None = None


class KnownBytes(msgspec.Struct, frozen=True, kw_only=True):
    """These bytes are an item already."""

    object: Literal["upload"] = "upload"
    item: Item


class UploadStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`item_id` is set once the file has arrived; of a duplicate it is the item that has the bytes."""

    object: Literal["upload"] = "upload"
    id: str
    key: str
    filename: str
    status: Literal["pending", "received", "duplicate", "expired"]
    item_id: str | None
    created_at: datetime
    expires_at: datetime | None
    received_at: datetime | None


@routes.post(
    "/api/v1/uploads",
    body=NewUpload,
    returns=Upload,
    status=201,
    also={200: KnownBytes},
    errors=(TooLarge,),
    keyed=True,
    cost="costly",
    summary="Announce an image or PDF and get the form to upload it by; 200 when you have these bytes already.",
)
def create_upload(request: Request) -> Answer | Upload:
    settings, body = wiring.settings(), request.body
    upload, item, form = manage.announce_upload(
        request.user_id,
        folder=request.creation_id.hex[:12],
        filename=body.filename,
        content_type=body.content_type,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        max_bytes=settings.upload_max_bytes,
        ttl_s=settings.upload_url_ttl_s,
        db=wiring.database(),
        blobs=wiring.blobs(),
    )
    if upload is None or form is None:
        assert item is not None
        return Answer(KnownBytes(item=item_of(item)), status=200)
    return Upload(
        id=upload["id"], key=upload["key"], url=form[0], fields=form[1], expires_at=upload["expires_at"]
    )


@routes.get("/api/v1/uploads/{upload_id}", returns=UploadStatus, summary="See what became of an upload.")
def get_upload(request: Request) -> UploadStatus:
    row = browse.read_upload(request.user_id, request.path["upload_id"], db=wiring.database())
    return UploadStatus(**{name: row[name] for name in UploadStatus.__struct_fields__ if name != "object"})
