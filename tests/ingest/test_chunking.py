import random
from itertools import pairwise

import pytest

from chalicelib.model.ingest.chunking import chunk_pages, chunk_text, estimate_tokens, most_tokens
from chalicelib.model.ingest.files import Page
from chalicelib.model.search.lexical import with_ngrams


def texts_of(text: str, max_tokens: int = 128) -> list[str]:
    return [text[start:end] for start, end in chunk_text(text, max_tokens=max_tokens)]


def test_sentences_are_packed_while_they_fit_and_never_split() -> None:
    text = "One two three. Four five six! Seven eight nine?\n\nTen eleven"
    assert texts_of(text, 8) == ["One two three. Four five six!", "Seven eight nine?\n\nTen eleven"]
    assert texts_of(text, 5) == ["One two three.", "Four five six!", "Seven eight nine?", "Ten eleven"]


def test_a_sentence_too_long_is_cut_at_words_and_a_word_too_long_is_cut() -> None:
    assert texts_of("one two three four five", 2) == ["one two", "three four", "five"]
    assert texts_of("ab " + "1" * 20, 4) == ["ab", "1111", "1111", "1111", "1111", "1111"]


def test_chinese_is_cut_at_its_own_full_stops() -> None:
    assert texts_of("東京都です。富士山です。", 6) == ["東京都です。", "富士山です。"]


@pytest.mark.parametrize("seed", range(40))
def test_chunks_cover_every_character_that_shows_in_order(seed: int) -> None:
    rng = random.Random(seed)
    alphabet = rng.choice(["ab. \n", "a.!?\"') \t\r\n", "字。」 a", "é1.\u00a0\u2028𝒳👍🏽\x1c x", "a"])
    text = "".join(rng.choices(alphabet, k=rng.randrange(400)))
    max_tokens = rng.randrange(1, 30)
    pages = [
        Page(number=1, text=text),
        Page(number=2, text=text[::-1]),
    ]
    drafts = chunk_pages(pages, max_tokens=max_tokens)
    assert [draft.ordinal for draft in drafts] == list(range(len(drafts)))
    for page in pages:
        mine = [draft for draft in drafts if draft.page == page.number]
        assert all(page.text[d.char_start : d.char_end] == d.text == d.text.strip() != "" for d in mine)
        assert all(a.char_end <= b.char_start for a, b in pairwise(mine))
        assert "".join("".join(d.text.split()) for d in mine) == "".join(page.text.split())
    assert all(estimate_tokens(draft.text) <= max_tokens for draft in drafts)


@pytest.mark.parametrize("unit", ["a", ".", "\n", "a ", ". ", '."', "\n x", "字", "。", "1"])
def test_time_is_linear_on_hostile_text(unit: str) -> None:
    # Quadratic behaviour anywhere would take minutes here.
    text = unit * (300_000 // len(unit))
    assert "".join("".join(chunk.split()) for chunk in texts_of(text)) == "".join(text.split())


def test_a_sentence_of_megabytes_of_spaces_ends() -> None:
    assert texts_of("x\n" + " " * 2_000_000 + "y")[-1].endswith("y")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("The cat sat.", 4),
        ("photosynthesis", 2),
        ("2024", 2),
        ("東京都", 3),
        ("naïve", 1),
        ("a-b", 3),
        ("Москва, 1980", 5),
        ("مرحبا", 2),
        ("한국어", 3),
    ],
)
def test_estimate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
    assert most_tokens(text) >= tokens


@pytest.mark.parametrize(
    ("text", "indexed"),
    [
        ("plain words, as they are\n", "plain words, as they are\n"),
        ("東京都", " 東京 京都 "),
        ("字", " 字 "),
        ("我在Paris看。ok", " 我在 Paris 看 。ok"),
        ("カメラー", " カメ メラ ラー "),
        ("한국어 사진", "한국어 사진"),
    ],
)
def test_with_ngrams(text: str, indexed: str) -> None:
    assert with_ngrams(text) == indexed
