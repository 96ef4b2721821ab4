"""Reads the search index of one owner. Each statement names the owner, in addition to row-level security."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace
from pgvector import HalfVector

from chalicelib.model.search.filters import Filters
from chalicelib.model.search.lexical import configuration_of
from chalicelib.model.search.passages import FacetCount, FoundPassage, NearChunk, PageChunk
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
Page = tuple[str, int]  # (item id, page number)
# (item id, page number, chunk); None stands for the chunk with most of the query's words
Chosen = tuple[str, int, int | None]
LAST_PAGE = 2**31 - 1
# Of the rarest terms of a query at most so many postings are read; of the next one too, while they are fewer than the
# least. For so many candidates the other terms are looked up.
READ = {"most_postings": 50_000, "least_postings": 10_000, "candidates": 1_000}
CANDIDATE_CHUNKS = 2_000  # whose codes are nearest: so many cosines are computed


class SearchScope(Struct, frozen=True, kw_only=True):
    """The owner's number and the live embedding set; the set is None before anything was embedded.

    `centre`: what the codes of the owner's vectors are made with; None if not all vectors have codes.
    """

    user_id: str
    owner: int
    set_id: int | None
    model: str | None
    dimensions: int | None
    centre: str | None = None


def find_scope(tx: Tx, user_id: str) -> SearchScope | None:
    """Return the scope of this user's searches; None if nothing of the user was ever indexed."""
    row = tx.one(SQL["scope"], user_id=user_id)
    return SearchScope(user_id=user_id, **row) if row else None


def list_lexical(
    tx: Tx, scope: SearchScope, query: str, *, filters: Filters, depth: int
) -> dict[Page, tuple[float, float]]:
    """Return the best `depth` pages by BM25, best first: page to (score, coverage).

    Coverage is the share (0..1) of the query's weight that the words found on the page have.
    """
    rows = tx.all(
        SQL["lexical"],
        user_id=scope.user_id,
        owner=scope.owner,
        query=query,
        language=configuration_of(query),
        depth=depth,
        **READ,
        **conditions(filters),
    )
    return {(row["item_id"], row["page"]): (row["score"], row["coverage"]) for row in rows}


def list_semantic(
    tx: Tx,
    scope: SearchScope,
    vector: Sequence[float],
    *,
    filters: Filters,
    depth: int,
    not_item: str | None = None,
) -> list[NearChunk]:
    """Return the `depth` nearest chunks by cosine similarity, nearest first.

    It is an exact search over the owner's rows; of a coded owner, over the chunks with the nearest codes.
    """
    values = {} if scope.centre is None else {"candidates": CANDIDATE_CHUNKS, **_code(vector, scope.centre)}
    return tx.rows(
        NearChunk,
        SQL["semantic" if scope.centre is None else "semantic_coded"],
        user_id=scope.user_id,
        owner=scope.owner,
        set_id=scope.set_id,
        vector=HalfVector(list(vector)).to_text(),
        depth=depth,
        not_item=not_item,
        **values,
        **conditions(filters),
    )


def list_passages(
    tx: Tx,
    scope: SearchScope,
    query: str,
    chosen: Sequence[Chosen],
    *,
    ngrams: Collection[str],
    start: str,
    stop: str,
) -> list[FoundPassage]:
    """Return one chunk for each of `chosen`, in order: the one it names, else the one with most of the words.

    The query's words stand between `start` and `stop` in `marked`. `ngrams` are the query's runs of characters of
    languages written without spaces; they are not marked.
    """
    marks = {"start": start, "stop": stop}
    words = {"query": query, "language": configuration_of(query), "ngrams": list(ngrams)}
    return tx.rows(FoundPassage, SQL["passages"], user_id=scope.user_id, **words, **marks, **_columns(chosen))


def list_page_chunks(
    tx: Tx,
    scope: SearchScope,
    query: str,
    vector: Sequence[float] | None,
    chosen: Sequence[Chosen],
    *,
    most: int,
) -> list[PageChunk]:
    """Return the chunks of each page in reading order, at most `most` a page around its chosen chunk."""
    return tx.rows(
        PageChunk,
        SQL["page_chunks"],
        user_id=scope.user_id,
        owner=scope.owner,
        set_id=scope.set_id,
        query=query,
        language=configuration_of(query),
        vector=HalfVector(list(vector)).to_text() if vector is not None else None,
        most=most,
        **_columns(chosen),
    )


def list_facets(tx: Tx, user_id: str, item_ids: Sequence[str], *, most: int) -> list[FacetCount]:
    """Count the items' values facet by facet, the most frequent `most` values of each first."""
    return tx.rows(FacetCount, SQL["facets"], user_id=user_id, item_ids=list(item_ids), most=most)


def find_example_vector(tx: Tx, scope: SearchScope, item_id: str) -> list[float] | None:
    """Return the mean of the item's vectors, None while it has no vectors."""
    row = tx.one(
        SQL["example_vector"], user_id=scope.user_id, owner=scope.owner, set_id=scope.set_id, item_id=item_id
    )
    return HalfVector.from_text(row["vector"]).to_list() if row and row["vector"] else None


def find_pictures(tx: Tx, scope: SearchScope) -> SearchScope | None:
    """Return the scope of searches among pictures; None before any picture was embedded."""
    row = tx.one(SQL["pictures"], owner=scope.owner)
    return replace(scope, **row) if row else None


def find_example_picture(tx: Tx, scope: SearchScope, item_id: str) -> tuple[SearchScope, list[float]] | None:
    """Return the scope of the pictures' vectors, and the vector of this image; None if it has none."""
    row = tx.one(SQL["example_picture"], user_id=scope.user_id, owner=scope.owner, item_id=item_id)
    if row is None:
        return None
    pictures = replace(scope, set_id=row["set_id"], centre=row["centre"])
    return pictures, HalfVector.from_text(row["vector"]).to_list()


def conditions(filters: Filters) -> dict[str, Any]:
    """Return the filters as parameters of the statements: lists, page bounds, and whether any filter is set."""
    given = asdict(filters)
    lists = {name: list(v) if (v := given[name]) is not None else None for name in ("kinds", "item_ids")}
    pages = {"first_page": filters.first_page or 0, "last_page": filters.last_page or LAST_PAGE}
    return {**given, **lists, **pages, "filtered": filters != Filters()}


def _code(vector: Sequence[float], centre: str) -> dict[str, str | None]:
    """Return the vector's code, and another one if it has no value in some dimensions: it differs in these."""
    sides = list(zip(vector, HalfVector.from_text(centre).to_list(), strict=True))
    code = "".join("1" if value and value > middle else "0" for value, middle in sides)
    other = "".join("1" if not value or value > middle else "0" for value, middle in sides)
    return {"code": code, "other": other if other != code else None}


def _columns(chosen: Sequence[Chosen]) -> dict[str, list[Any]]:
    return {
        "item_ids": [item_id for item_id, _, _ in chosen],
        "pages": [page for _, page, _ in chosen],
        "chunk_ids": [chunk_id for _, _, chunk_id in chosen],
    }
