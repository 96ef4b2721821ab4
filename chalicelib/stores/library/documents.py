"""Documents: the items that are PDFs, as the view `documents` defines them."""

from datetime import datetime

from msgspec.structs import asdict

from chalicelib.errors import NotFound
from chalicelib.model.library.documents import DocumentFilters, StoredDocument
from chalicelib.stores.library.items import containing
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def get(tx: Tx, user_id: str, document_id: str) -> StoredDocument:
    """Return the document. Raise NotFound, also when the item is an image."""
    document = tx.row(StoredDocument, SQL["get"], user_id=user_id, document_id=document_id)
    if document is None:
        raise NotFound("There is no such document.")
    return document


def find_by_hash(tx: Tx, user_id: str, file_hash: str) -> StoredDocument | None:
    return tx.row(StoredDocument, SQL["find_by_hash"], user_id=user_id, file_hash=file_hash)


def list_filtered(
    tx: Tx, user_id: str, filters: DocumentFilters, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredDocument]:
    """Return the documents that match, newest first."""
    after_at, after_id = after or (None, None)
    values = {**asdict(filters), "text": filters.text and containing(filters.text)}
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredDocument, SQL["list"], user_id=user_id, **page, **values)
