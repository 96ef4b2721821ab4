"""Citations: the quotes of answers, and the stored text that quotes are checked against."""

import json
from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.model.chat.answers import Citation
from chalicelib.model.chat.messages import StoredCitation
from chalicelib.model.library.page_text import join_chunks
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Window(Struct, frozen=True, kw_only=True):
    """A range of characters of the text that `source` has on a page of an item."""

    item_id: str
    page: int
    source: str
    start: int
    end: int


class StoredText(Struct, frozen=True, kw_only=True):
    """The chunks that overlap a window, joined: `text` begins at `start` of the page's text. `sha256` is the item's."""

    sha256: str | None
    start: int
    text: str


class PagePart(Struct, frozen=True, kw_only=True):
    """A chunk that is read for the window at `position` (from 1): of its page, or at an edge of a page nearby."""

    position: int
    page: int
    char_start: int
    char_end: int
    text: str
    is_first: bool
    is_last: bool


class _Chunk(Struct, frozen=True, kw_only=True):
    """A chunk that overlaps the window at `position`, which counts from 1."""

    position: int
    sha256: str | None
    char_start: int
    text: str


def insert_many(tx: Tx, user_id: str, message_id: str, citations: Sequence[Citation]) -> None:
    """Store the citations of a message in this order; `ordinal` counts from 1."""
    rows = [{"ordinal": ordinal, **asdict(each)} for ordinal, each in enumerate(citations, 1)]
    tx.run(SQL["insert"], user_id=user_id, message_id=message_id, citations=json.dumps(rows))


def list_of_messages(tx: Tx, user_id: str, message_ids: Sequence[str]) -> dict[str, list[StoredCitation]]:
    """Return the citations by message id, in order. A message without citations has no entry."""
    rows = tx.rows(StoredCitation, SQL["list"], user_id=user_id, message_ids=list(message_ids))
    return {key: list(group) for key, group in groupby(rows, key=lambda row: row.message_id)}


def list_texts(tx: Tx, user_id: str, windows: Sequence[Window]) -> list[StoredText | None]:
    """Return the text stored in each window now, None where there is none."""
    rows = tx.rows(
        _Chunk,
        SQL["list_texts"],
        user_id=user_id,
        item_ids=[window.item_id for window in windows],
        pages=[window.page for window in windows],
        sources=[window.source for window in windows],
        starts=[window.start for window in windows],
        ends=[window.end for window in windows],
    )
    found: list[StoredText | None] = [None] * len(windows)
    for position, chunks in groupby(rows, key=lambda chunk: chunk.position):
        found[position - 1] = _joined(list(chunks))
    return found


def list_page_parts(tx: Tx, user_id: str, windows: Sequence[Window], *, neighbours: int) -> list[PagePart]:
    """Return the chunks in each window, and the first and last of its page and of so many pages before and behind."""
    return tx.rows(
        PagePart,
        SQL["list_page_parts"],
        user_id=user_id,
        neighbours=neighbours,
        item_ids=[window.item_id for window in windows],
        pages=[window.page for window in windows],
        sources=[window.source for window in windows],
        starts=[window.start for window in windows],
        ends=[window.end for window in windows],
    )


def _joined(chunks: list[_Chunk]) -> StoredText:
    start = chunks[0].char_start
    text = join_chunks((chunk.char_start - start, chunk.text) for chunk in chunks)
    return StoredText(sha256=chunks[0].sha256, start=start, text=text)
