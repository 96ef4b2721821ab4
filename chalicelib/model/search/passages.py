"""Rows that a search reads from the index: chunks with their scores, and counts of the items' values."""

from typing import Literal

from msgspec import Struct

Source = Literal["text", "caption", "ocr"]
Kind = Literal["image", "pdf"]


class NearChunk(Struct, frozen=True, kw_only=True):
    """A chunk near a vector; `score` is the cosine similarity."""

    item_id: str
    page: int
    chunk_id: int
    score: float


class FoundPassage(Struct, frozen=True, kw_only=True):
    """The chunk shown for a hit. `position` is the hit's rank, from 1. `marked` is the text with marks at matches.

    Offsets are in characters, within the text that `source` has on the page.
    """

    position: int
    item_id: str
    name: str
    kind: Kind
    chunk_id: int
    page: int
    char_start: int
    char_end: int
    source: Source
    text: str
    marked: str


class PageChunk(Struct, frozen=True, kw_only=True):
    """A chunk of a ranked page. `position` is the page's rank, from 1.

    `words` is the chunk's BM25. `cosine` is its similarity to the query's vector, `likeness` its similarity to the
    chunk before it; each is None if a vector is missing.
    """

    position: int
    name: str
    kind: Kind
    item_id: str
    source: Source
    page: int
    ordinal: int
    char_start: int
    char_end: int
    text: str
    cosine: float | None
    likeness: float | None
    words: float


class FacetCount(Struct, frozen=True, kw_only=True):
    """The number of items that have this value. `name` is set for a collection only."""

    facet: Literal["kind", "tag", "collection", "month"]
    value: str
    name: str | None
    count: int
