"""The texts that exercises are made from, by page, and the labels of pictures."""

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from msgspec import Struct

from chalicelib.model.library.page_text import join_chunks
from chalicelib.model.practice.exercises import Excerpt
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class _Chunk(Struct, frozen=True, kw_only=True):
    item_id: str
    name: str
    sha256: str | None
    kind: Literal["image", "pdf"] | None
    source: Literal["text", "caption", "ocr"]
    page: int
    char_start: int
    text: str
    labels: list[str]


def list_pages(
    tx: Tx,
    user_id: str,
    *,
    item_ids: Sequence[str] | None,
    collection_id: str | None,
    pages: tuple[int, int] | None,
    seed: str,
    limit: int,
) -> list[Excerpt]:
    """Return the texts of up to `limit` pages, by item and page. If there are more, the seed decides which.

    Of documents it is their own text, of images also what describes them, with their labels.
    """
    first, last = pages or (None, None)
    chunks = tx.rows(
        _Chunk,
        SQL["list_pages"],
        user_id=user_id,
        item_ids=list(item_ids) if item_ids is not None else None,
        collection_id=collection_id,
        first_page=first,
        last_page=last,
        seed=seed,
        limit=limit,
    )
    return [
        _joined(list(group))
        for _, group in groupby(chunks, key=lambda each: (each.item_id, each.page, each.source))
    ]


def list_labels(tx: Tx, user_id: str, *, limit: int) -> dict[str, list[str]]:
    """Return the labels of the user's latest images, by item."""
    return {row["item_id"]: row["labels"] for row in tx.all(SQL["list_labels"], user_id=user_id, limit=limit)}


def list_labels_of(
    tx: Tx, user_id: str, *, item_ids: Sequence[str] | None, collection_id: str | None, limit: int
) -> list[str]:
    """Return the labels of the items, the most frequent first."""
    ids = list(item_ids) if item_ids is not None else None
    rows = tx.all(
        SQL["list_labels_of"], user_id=user_id, item_ids=ids, collection_id=collection_id, limit=limit
    )
    return [row["label"] for row in rows]


def _joined(chunks: list[_Chunk]) -> Excerpt:
    first = chunks[0]
    return Excerpt(
        item_id=first.item_id,
        item_name=first.name,
        item_sha256=first.sha256,
        source=first.source,
        page=first.page,
        start=first.char_start,
        text=join_chunks((chunk.char_start - first.char_start, chunk.text) for chunk in chunks),
        labels=tuple(first.labels) if first.kind == "image" else (),
    )
