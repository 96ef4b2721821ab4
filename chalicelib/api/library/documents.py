"""Documents: send a PDF, list, find, read, its file, its pages' text and pictures; delete."""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import ListQuery, Query, Request, Response, Routes
from chalicelib.api.library.items import CollectionId, Failure, cache_headers, failure_of
from chalicelib.api.library.uploads import FileName
from chalicelib.api.usage.storage import max_stored_bytes
from chalicelib.errors import BadFile, Conflict, NotFound, TooLarge
from chalicelib.model.library.documents import PDF, DocumentFilters, StoredDocument
from chalicelib.model.library.items import ItemRef, Status
from chalicelib.ops.ingest import manage
from chalicelib.ops.library import documents

routes = Routes("documents")
MAX_BODY_BYTES = 10 * 1024 * 1024
PAGE_NUMBER = {"n": "^[1-9][0-9]{0,4}$"}
Highlight = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,8}-[0-9]{1,8}$",
        description="Of the page's text: offset of the first character, and of the first one behind.",
    ),
]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    title: str | None
    size_bytes: int | None
    media_type: str | None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is a PDF, or was announced or named as one. `file_hash` is the SHA-256. Nulls: not known yet.

    `unread_pages` counts the scanned pages whose text has not been read off them: while ANALYZING those to come, once
    READY those beyond the first 500, or beyond the text that a document may have.
    """

    object: Literal["document"] = "document"
    document_id: str
    file_hash: str | None
    filename: str
    upload_date: datetime
    status: Status
    page_count: int | None
    unread_pages: int
    metadata: Metadata
    failure: Failure | None
    file_url: str


class DocumentList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Document]
    has_more: bool
    next: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """`source`: the PDF's own text, what was read off a scanned page, or null: there is neither.

    `is_unread`: it is a scan that has not been read yet, or never will be; see Document.
    Citations' offsets are characters within `text`.
    """

    object: Literal["page"] = "page"
    document_id: str
    number: int
    page_count: int
    text: str
    source: Literal["text", "ocr"] | None
    is_unread: bool
    image_url: str
    previous_url: str | None
    next_url: str | None


class ListDocuments(ListQuery, frozen=True, kw_only=True):
    """`text` is in the file's name or the document's title."""

    status: Status | None = None
    text: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    collection_id: CollectionId | None = None


class NewDocument(Query, frozen=True, kw_only=True):
    filename: FileName


class PageImage(Query, frozen=True, kw_only=True):
    """`width` is the picture's, in pixels."""

    width: Annotated[int, Meta(ge=100, le=2000)] = 1200
    highlight: Annotated[tuple[Highlight, ...], Meta(max_length=50)] = ()


@routes.post(
    "/api/v1/documents",
    query=NewDocument,
    raw=PDF,
    max_body_bytes=MAX_BODY_BYTES,
    returns=Document,
    status=201,
    also={200: Document},
    errors=(BadFile, Conflict, TooLarge),
    keyed=True,
    cost="costly",
    summary="Send a PDF of up to 10 MB; 200 when you have these bytes already. Larger ones: POST /api/v1/uploads.",
)
def create_document(request: Request) -> Response:
    stored, is_new = documents.create_document(
        request.user_id,
        folder=request.creation_id.hex[:12],
        filename=request.query.filename,
        body=request.body,
        max_stored_bytes=max_stored_bytes(request),
        db=wiring.database(),
        blobs=wiring.blobs(),
    )
    document = _document(stored)
    return Response(document, status=201 if is_new else 200, headers={"Location": _url(document.document_id)})


@routes.get(
    "/api/v1/documents",
    query=ListDocuments,
    returns=DocumentList,
    errors=(NotFound,),
    summary="List documents, newest first.",
)
def list_documents(request: Request) -> DocumentList:
    query: ListDocuments = request.query
    filters = DocumentFilters(status=query.status, text=query.text, collection_id=query.collection_id)
    found, cursor = documents.list_documents(
        request.user_id, filters, after=query.after, limit=query.limit, db=wiring.database()
    )
    return DocumentList(
        data=[_document(stored) for stored in found], has_more=cursor is not None, next=cursor
    )


@routes.get(
    "/api/v1/documents/by-hash/{file_hash}",
    patterns={"file_hash": "^[0-9a-f]{64}$"},
    returns=Document,
    summary="Find the document whose bytes have this SHA-256.",
)
def get_document_by_hash(request: Request) -> Document:
    file_hash = request.path["file_hash"]
    return _document(documents.read_document_by_hash(request.user_id, file_hash, db=wiring.database()))


@routes.get("/api/v1/documents/{document_id}", returns=Document, summary="Read a document.")
def get_document(request: Request) -> Document:
    return _document(_read(request))


@routes.delete(
    "/api/v1/documents/{document_id}",
    errors=(NotFound,),
    summary="Delete a document, its text, its index entries and its files.",
)
def delete_document(request: Request) -> None:
    documents.delete_document(
        request.user_id, request.path["document_id"], db=wiring.database(), blobs=wiring.blobs()
    )


@routes.get(
    "/api/v1/documents/{document_id}/file", status=302, summary="Redirect to the PDF itself, for an hour."
)
def get_document_file(request: Request) -> Response:
    item = documents.read_document_item(_ref(request), db=wiring.database())
    url = wiring.blobs().presign_download(item.key, ttl_s=manage.DOWNLOAD_TTL_S, filename=item.name)
    return Response(status=302, headers={"Location": url})


@routes.get(
    "/api/v1/documents/{document_id}/pages/{n}",
    patterns=PAGE_NUMBER,
    returns=Page,
    errors=(NotFound, Conflict),
    summary="Read a page's text; 409 not_ready until the document has been read.",
)
def get_page(request: Request) -> Page:
    page = documents.read_page(_ref(request), int(request.path["n"]), db=wiring.database())
    document_id = request.path["document_id"]
    pages = f"{_url(document_id)}/pages"
    return Page(
        document_id=document_id,
        number=page.number,
        page_count=page.page_count,
        text=page.text,
        source=page.source,
        is_unread=page.is_unread,
        image_url=f"{pages}/{page.number}/image",
        previous_url=f"{pages}/{page.number - 1}" if page.number > 1 else None,
        next_url=f"{pages}/{page.number + 1}" if page.number < page.page_count else None,
    )


@routes.get(
    "/api/v1/documents/{document_id}/pages/{n}/image",
    query=PageImage,
    patterns=PAGE_NUMBER,
    returns="image/jpeg",
    errors=(NotFound, Conflict, BadFile),
    cost="costly",
    summary="See a page as a JPEG, with parts of its text highlighted.",
)
def get_page_image(request: Request) -> Response:
    query: PageImage = request.query
    jpeg = documents.render_page(
        _ref(request),
        int(request.path["n"]),
        width_px=query.width,
        highlights=[_range(each) for each in query.highlight],
        db=wiring.database(),
        copies=wiring.local_copies(),
        lend=wiring.drawing_pool().lend,
    )
    return Response(jpeg, headers=cache_headers(3600))


@routes.get(
    "/api/v1/documents/{document_id}/pages/{n}/thumbnail",
    patterns=PAGE_NUMBER,
    returns="image/jpeg",
    errors=(NotFound, Conflict, BadFile),
    summary="See a page as a small JPEG, for lists: 320 px wide.",
)
def get_page_thumbnail(request: Request) -> Response:
    jpeg = documents.render_thumbnail(
        _ref(request),
        int(request.path["n"]),
        db=wiring.database(),
        copies=wiring.local_copies(),
        lend=wiring.drawing_pool().lend,
    )
    return Response(jpeg, headers=cache_headers(3600))


def _range(highlight: str) -> tuple[int, int]:
    start, _, end = highlight.partition("-")
    return int(start), int(end)


def _document(stored: StoredDocument) -> Document:
    return Document(
        **{name: getattr(stored, name) for name in _PLAIN},
        unread_pages=len(stored.unread_pages),
        metadata=Metadata(title=stored.title, size_bytes=stored.size_bytes, media_type=stored.media_type),
        failure=failure_of(stored.failure_code, stored.failure_message),
        file_url=f"{_url(stored.document_id)}/file",
    )


_PLAIN = ("document_id", "file_hash", "filename", "upload_date", "status", "page_count")


def _url(document_id: str) -> str:
    return f"/api/v1/documents/{quote(document_id, safe='')}"


def _ref(request: Request) -> ItemRef:
    return ItemRef(user_id=request.user_id, item_id=request.path["document_id"])


def _read(request: Request) -> StoredDocument:
    return documents.read_document(request.user_id, request.path["document_id"], db=wiring.database())
