"""A query's common words are looked up only for pages with its rarer ones: the ranking of these pages is the same."""

import random

import pytest

from chalicelib.model.ingest.chunking import chunk_pages
from chalicelib.model.ingest.files import Page
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.search.filters import Filters
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index, lookup

WORDS = [f"w{number}" for number in range(60)]
WEIGHTS = [1 / (rank + 1) for rank in range(len(WORDS))]
QUERY = "w0 w1 w20 w35 w50 unknown"  # w0 is on nearly every page, w50 on a few


@pytest.fixture
def indexed(db: Database) -> Database:
    draw = random.Random(4)

    def write(tx: Tx) -> None:
        users.ensure(tx, "alice")
        for number in range(4):
            ref = ItemRef(user_id="alice", item_id=items.insert(tx, parse_key(f"alice/{number}"), etag=None))
            pages = [Page(number=n + 1, text=" ".join(draw.choices(WORDS, WEIGHTS, k=12))) for n in range(30)]
            chunks.insert(tx, ref, "text", chunk_pages(pages))
            index.add_item(tx, ref)

    db.transact("alice", write)
    return db


def ranked(
    db: Database, filters: Filters | None = None, query: str = QUERY
) -> list[tuple[lookup.Page, float, float]]:
    def read(tx: Tx) -> list[tuple[lookup.Page, float, float]]:
        scope = lookup.find_scope(tx, "alice")
        assert scope is not None
        found = lookup.list_lexical(tx, scope, query, filters=filters or Filters(), depth=100)
        return [(page, round(score, 9), round(share, 9)) for page, (score, share) in found.items()]

    return db.transact("alice", read)


def test_pages_with_a_rarer_word_keep_score_coverage_and_order(
    indexed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ranked(indexed)
    some = Filters(item_ids=("2",))
    of_one = ranked(indexed, some)
    monkeypatch.setattr(lookup, "READ", {**lookup.READ, "most_postings": 40, "least_postings": 5})
    found = ranked(indexed)
    assert 10 < len(found) < len(whole) == 100
    assert found[:10] == whole[:10]
    assert set(found) <= set(whole)
    assert ranked(indexed, some) == of_one and len(of_one) > 20, "a filter's few pages are all ranked"


def test_a_query_of_common_words_alone_is_answered(
    indexed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ranked(indexed, query="w0")
    monkeypatch.setattr(lookup, "READ", {**lookup.READ, "most_postings": 5, "least_postings": 5})
    assert ranked(indexed, query="w0") == whole and len(whole) == 100
