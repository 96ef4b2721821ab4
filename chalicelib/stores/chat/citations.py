"""Citations: quotes of answers, and the stored text that they are checked against."""

import json
from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.model.chat.answers import Citation
from chalicelib.model.library.page_text import join_chunks
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)


class Window(Struct, frozen=True, kw_only=True):
    """A stretch of what `source` has on a page of an item."""

    item_id: str
    page: int
    source: str
    start: int
    end: int


class StoredText(Struct, frozen=True, kw_only=True):
    """Whole chunks that lie in a window: `text` begins at `start` of the page's text. `sha256` is the item's."""

    sha256: str | None
    start: int
    text: str


def insert_many(tx: Tx, user_id: str, message_id: str, citations: Sequence[Citation]) -> None:
    """In order."""
    rows = [{"ordinal": ordinal, **asdict(each)} for ordinal, each in enumerate(citations, 1)]
    tx.run(SQL["insert"], user_id=user_id, message_id=message_id, citations=json.dumps(rows))


def list_of_messages(tx: Tx, user_id: str, message_ids: Sequence[str]) -> dict[str, list[Row]]:
    """By message, in order; `kind` is null when the item is gone."""
    rows = tx.all(SQL["list"], user_id=user_id, message_ids=list(message_ids))
    return {key: list(group) for key, group in groupby(rows, key=lambda row: row["message_id"])}


def list_texts(tx: Tx, user_id: str, windows: Sequence[Window]) -> list[StoredText | None]:
    """What is stored in each window now, None when nothing is."""
    rows = tx.all(
        SQL["list_texts"],
        user_id=user_id,
        item_ids=[window.item_id for window in windows],
        pages=[window.page for window in windows],
        sources=[window.source for window in windows],
        starts=[window.start for window in windows],
        ends=[window.end for window in windows],
    )
    found: list[StoredText | None] = [None] * len(windows)
    for position, chunks in groupby(rows, key=lambda row: row["position"]):
        found[position - 1] = _joined(list(chunks))
    return found


def _joined(chunks: list[Row]) -> StoredText:
    start = chunks[0]["char_start"]
    text = join_chunks((chunk["char_start"] - start, chunk["text"]) for chunk in chunks)
    return StoredText(sha256=chunks[0]["sha256"], start=start, text=text)
