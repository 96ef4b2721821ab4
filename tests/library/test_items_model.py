"""Keys, ids, cursors, snippets: the pure parts."""

from datetime import UTC, datetime

import pytest

from chalicelib.errors import InvalidInput
from chalicelib.model.library.items import parse_key
from chalicelib.model.paging import decode_cursor, encode_cursor
from chalicelib.model.search.lexical import ngrams_in, with_ngrams
from chalicelib.model.search.snippets import START, STOP, cut_snippet, mark_ngrams


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("u/test-image.jpg", "test-image"),
        ("u/a/b/c.tar.gz", "c.tar"),
        ("u/noext", "noext"),
        ("u/.hidden", ".hidden"),
        ("u/...", "item"),
        ("u/..", "item"),
        ("u/a\x07b.jpg", "ab"),
        ("u/日本.png", "日本"),
        ("u/" + "x" * 900 + ".jpg", "x" * 200),
    ],
)
def test_an_item_id_is_the_stem_made_safe(key: str, stem: str) -> None:
    assert parse_key(key).stem == stem


@pytest.mark.parametrize(
    "key", ["", "x", "/x", "u/", "../x", "_derived/x", "a b/x", "u\x00/x", "ü/x", "u/a\x00b", "u/\ud800"]
)
def test_a_key_without_an_owner_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        parse_key(key)


def test_ids_differ_by_key_and_then_by_bytes() -> None:
    one, other = parse_key("u/a/photo.jpg"), parse_key("u/b/photo.jpg")
    assert len({*one.ids("e1")[:3], *one.ids("e2")[:3], *other.ids("e1")[:3]}) == 6
    assert one.ids("e1")[:3] == one.ids("e1")[:3]
    assert one.ids("e1")[3] != one.ids("e1")[3], "the last resort is always free"


def test_a_cursor_comes_back_as_it_was() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    assert decode_cursor(encode_cursor(at, "ä~1")) == (at, "ä~1")


@pytest.mark.parametrize(
    "cursor", ["", "x", "bm90anNvbg", "WzEsMl0", "W10", "e30", "WyIyMDI2LTAxLTAxIiwgIngiXQ", "ÿ"]
)
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(cursor)


def test_chinese_and_japanese_become_overlapping_pairs() -> None:
    assert with_ngrams("go 東京都 now 字") == "go  東京 京都  now  字 "
    assert with_ngrams("plain text") == "plain text"


def test_a_snippet_shows_where_most_matches_are() -> None:
    filler = "word " * 200
    snippet = cut_snippet(f"{filler}{START}cat{STOP} and {START}cat{STOP} {filler}")
    assert len(snippet.text) <= 320
    assert [snippet.text[a:b] for a, b in snippet.highlights] == ["cat", "cat"]


def test_a_snippet_without_matches_is_the_beginning() -> None:
    snippet = cut_snippet("first " + "word " * 200)
    assert snippet.text.startswith("first word") and snippet.highlights == ()


def test_a_snippet_shows_the_pairs_of_a_text_without_spaces() -> None:
    pairs = ngrams_in(with_ngrams("東京都 go 庭"))
    assert pairs == ngrams_in("東京都") == {"東京", "京都"}
    snippet = cut_snippet(mark_ngrams(f"in 東京都の京 and {START}go{STOP} 京都", pairs))
    assert snippet.text == "in 東京都の京 and go 京都"
    assert [snippet.text[a:b] for a, b in snippet.highlights] == ["東京都", "go", "京都"]
