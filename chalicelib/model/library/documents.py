"""Documents: the items that are PDFs, with the field names of the API's document guides."""

from datetime import datetime

from msgspec import Struct

from chalicelib.model.library.items import Status

PDF = "application/pdf"


class StoredDocument(Struct, frozen=True, kw_only=True):
    """A row of the view `documents`. A field is None while it is not known yet.

    `is_read`: the file has been decoded. `pages_read` counts the pages whose text is stored. `unread_pages` has the
    numbers of the scanned pages that are still to be read.
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
    """Conditions on a list of documents; None sets no condition.

    `text` is searched in the file's name and title. `collection_id` must name an existing collection.
    """

    status: Status | None = None
    text: str | None = None
    collection_id: str | None = None
