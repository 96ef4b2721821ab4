"""Documents: the items that are PDFs, under the names that the guides give their parts."""

from datetime import datetime

from msgspec import Struct

from chalicelib.model.library.items import Status


class StoredDocument(Struct, frozen=True, kw_only=True):
    """A row of the view `documents`. None: not known yet.

    `is_read`: the file has been decoded. `pages_read` counts the pages whose text is stored; `unread_pages` are numbers
    of scanned pages yet to be read.
    """

    document_id: str
    file_hash: str | None
    filename: str
    upload_date: datetime
    status: Status
    page_count: int | None
    title: str | None
    size_bytes: int | None
    media_type: str | None
    is_read: bool
    pages_read: int
    failure_code: str | None
    failure_message: str | None
    unread_pages: list[int]


class DocumentFilters(Struct, frozen=True, kw_only=True):
    """None: no such condition. `text` is in the file's name or title; `collection_id` is of a collection there is."""

    status: Status | None = None
    text: str | None = None
    collection_id: str | None = None
