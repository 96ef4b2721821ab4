"""Uploads: announce a file, get the form that S3 takes it by, see what became of it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import Body, Request, Response, Routes
from chalicelib.api.library.items import Item, item_of
from chalicelib.api.usage.storage import max_stored_bytes
from chalicelib.errors import Conflict, TooLarge
from chalicelib.model.ingest import files
from chalicelib.model.ingest.files import KIND_OF_MEDIA_TYPE
from chalicelib.model.ingest.uploads import StoredUpload
from chalicelib.ops.ingest import uploads
from chalicelib.ops.library import browse

routes = Routes("uploads")
FileName = Annotated[
    str,
    Meta(min_length=1, max_length=255, description="With its extension; /, \\ and control characters: _."),
]
Sha256 = Annotated[
    str,
    Meta(pattern="^[0-9a-f]{64}$", max_length=64, description="Of the bytes: known ones need no upload."),
]


class NewUpload(Body, frozen=True, kw_only=True):
    filename: FileName
    content_type: Annotated[str, Meta(max_length=100, extra_json_schema={"enum": [*KIND_OF_MEDIA_TYPE]})]
    size_bytes: Annotated[int, Meta(ge=1, le=5 * 1024**3)]
    sha256: Sha256 | None = None


class Upload(msgspec.Struct, frozen=True, kw_only=True, tag_field="method", tag="POST"):
    """POST `fields` and then the file, as the last part `file` of a multipart form, to `url` before `expires_at`."""

    object: Literal["upload"] = "upload"
    id: str
    key: str
    url: str
    fields: dict[str, str]
    expires_at: datetime
    item: None = None


class PartToSend(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    url: str


class Part(Body, frozen=True, kw_only=True):
    """`etag` is the header that S3 answered the part with."""

    number: Annotated[int, Meta(ge=1, le=10_000)]
    etag: Annotated[str, Meta(pattern='^"?[0-9a-f]{32}"?$')]


class UploadInParts(msgspec.Struct, frozen=True, kw_only=True, tag_field="method", tag="PUT"):
    """A large file: PUT its bytes to the `parts`' URLs before `expires_at`, then POST all parts to `complete_url`.

    All parts have `part_size_bytes` but the last, which has what is left. `sent` are those that S3 has already.
    """

    object: Literal["upload"] = "upload"
    id: str
    key: str
    part_size_bytes: int
    parts: list[PartToSend]
    sent: list[Part]
    complete_url: str
    expires_at: datetime
    item: None = None


class CompleteUpload(Body, frozen=True, kw_only=True):
    parts: Annotated[
        list[Part], Meta(min_length=1, max_length=10_000, description="All of them, in any order.")
    ]


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
    returns=Upload | UploadInParts,
    status=201,
    also={200: KnownBytes},
    errors=(TooLarge,),
    keyed=True,
    cost="costly",
    summary="Announce an image or PDF and get the form, or the parts, to upload it by; 200 for bytes you have already.",
)
def create_upload(request: Request) -> Response | Upload | UploadInParts:
    settings, body = wiring.settings(), request.body
    announced, item = uploads.announce_upload(
        request.user_id,
        folder=request.creation_id.hex[:12],
        filename=body.filename,
        content_type=body.content_type,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        max_bytes=settings.upload_max_bytes,
        max_stored_bytes=max_stored_bytes(request),
        ttl_s=settings.upload_url_ttl_s,
        db=wiring.database(),
        blobs=wiring.blobs(),
    )
    if announced is None:
        assert item is not None
        return Response(KnownBytes(item=item_of(item)), status=200)
    if announced.form is None:
        return _in_parts(announced)
    (url, fields), upload = announced.form, announced.upload
    return Upload(id=upload.id, key=upload.key, url=url, fields=fields, expires_at=_expiry(upload))


@routes.get("/api/v1/uploads/{upload_id}", returns=UploadStatus, summary="See what became of an upload.")
def get_upload(request: Request) -> UploadStatus:
    return _status(browse.read_upload(request.user_id, request.path["upload_id"], db=wiring.database()))


@routes.post(
    "/api/v1/uploads/{upload_id}/parts",
    returns=UploadInParts,
    errors=(Conflict,),
    summary="Go on with an upload in parts: new URLs for the parts that have not arrived.",
)
def resume_upload(request: Request) -> UploadInParts:
    ttl_s = wiring.settings().upload_url_ttl_s
    upload_id = request.path["upload_id"]
    return _in_parts(
        uploads.resume_upload(
            request.user_id, upload_id, ttl_s=ttl_s, db=wiring.database(), blobs=wiring.blobs()
        )
    )


@routes.post(
    "/api/v1/uploads/{upload_id}/complete",
    body=CompleteUpload,
    returns=UploadStatus,
    errors=(Conflict,),
    summary="Put an upload's parts together. Safe to repeat.",
)
def complete_upload(request: Request) -> UploadStatus:
    parts = [(part.number, part.etag.strip('"')) for part in request.body.parts]
    upload_id = request.path["upload_id"]
    return _status(
        uploads.complete_upload(request.user_id, upload_id, parts, db=wiring.database(), blobs=wiring.blobs())
    )


@routes.delete(
    "/api/v1/uploads/{upload_id}",
    errors=(Conflict,),
    summary="Give up an upload that has not arrived; what was sent of it is removed.",
)
def abort_upload(request: Request) -> None:
    uploads.abort_upload(
        request.user_id, request.path["upload_id"], db=wiring.database(), blobs=wiring.blobs()
    )


def _in_parts(announced: "uploads.Announced") -> UploadInParts:
    upload = announced.upload
    return UploadInParts(
        id=upload.id,
        key=upload.key,
        part_size_bytes=files.PART_BYTES,
        parts=[PartToSend(number=number, url=url) for number, url in announced.parts.items()],
        sent=[Part(number=number, etag=etag) for number, etag in announced.sent.items()],
        complete_url=f"/api/v1/uploads/{upload.id}/complete",
        expires_at=_expiry(upload),
    )


def _expiry(upload: StoredUpload) -> datetime:
    assert upload.expires_at, "it was announced"
    return upload.expires_at


def _status(upload: StoredUpload) -> UploadStatus:
    names = UploadStatus.__struct_fields__
    return UploadStatus(**{name: getattr(upload, name) for name in names if name != "object"})
