import pytest
from msgspec.structs import replace

from chalicelib.model.search.joining import MAX_GAP_CHARS, Piece, join_best, score_pieces

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(number: int, count: int) -> str:
    """So many words of 1.08 tokens each, of which no other number's text has any."""
    return " ".join(f"{LETTERS[number]}{LETTERS[n // 26]}{LETTERS[n % 26]}" for n in range(count))


def piece(ordinal: int, *, page: int = 1, likeness: float | None = 0.9, tokens: int = 100) -> Piece:
    return Piece(
        page=("item", page, "text"),
        ordinal=ordinal,
        char_start=ordinal * 500,
        char_end=ordinal * 500 + 499,
        text=words(10 * page + ordinal, int(tokens / 1.08)),
        page_score=0.5,
        words=0.0,
        cosine=0.0,
        likeness=likeness,
    )


PAGE = [piece(n) for n in range(6)]


def test_the_best_piece_brings_its_neighbours_and_the_next_best_follows() -> None:
    scores = [0.5, 0.6, 0.7, 0.9, 0.5, 0.8]
    assert join_best(PAGE, scores, max_tokens=300) == [[2, 3, 4]]
    assert join_best(PAGE, scores, max_tokens=400) == [[2, 3, 4, 5]]
    assert join_best(PAGE, [0.9, 0.5, 0.5, 0.5, 0.5, 0.8], max_tokens=400) == [[0, 1], [4, 5]]


def test_runs_that_come_to_touch_become_one_in_the_better_ones_place() -> None:
    scores = [0.9, 0.5, 0.5, 0.4, 0.8, 0.5]
    elsewhere = [piece(n, page=2) for n in range(2)]
    runs = join_best([*PAGE, *elsewhere], [*scores, 0.85, 0.5], max_tokens=10_000)
    assert runs == [[0, 1, 2, 3, 4, 5], [6, 7]]


def test_an_item_that_has_had_most_of_the_room_waits_for_the_others() -> None:
    apart = [replace(each, likeness=0.0) for each in PAGE]
    other = [replace(piece(n, page=2), page=("other", 1, "text"), likeness=0.0) for n in range(2)]
    scores = [0.9, 0.8, 0.7, 0.6, 0.59, 0.58, 0.5, 0.45]
    assert join_best([*apart, *other], scores, max_tokens=400) == [[0, 1, 2], [6]]
    assert join_best([*apart, *other], scores, max_tokens=800) == [[0, 1, 2, 3, 4, 5], [6, 7]]
    assert join_best(apart, scores[:6], max_tokens=400) == [[0, 1, 2, 3]]


def test_a_neighbour_of_another_matter_stays_away() -> None:
    page = [piece(n, likeness=0.9 if n == 4 else 0.1) for n in range(6)]
    assert join_best(page, [0, 0, 0, 0.9, 0, 0], max_tokens=400) == [[3, 4]]
    unknown = [replace(each, likeness=None) for each in page]
    assert join_best(unknown, [0, 0, 0, 0.9, 0, 0], max_tokens=400) == [[2, 3, 4]]


def test_nothing_is_joined_over_much_white_space_another_source_or_page() -> None:
    far = [replace(each, char_start=each.char_start + MAX_GAP_CHARS) for each in PAGE]
    assert join_best(far, [0, 0, 0.9, 0, 0, 0], max_tokens=400) == [[2]]
    others = [replace(each, page=("item", 1, "text" if n % 2 else "caption")) for n, each in enumerate(PAGE)]
    assert join_best(others, [0, 0, 0.9, 0, 0, 0], max_tokens=400) == [[2]]


def test_what_does_not_fit_gives_way_to_what_does() -> None:
    page = [piece(0, tokens=100), piece(1, tokens=90, likeness=0), piece(2, tokens=20, likeness=0)]
    assert join_best(page, [0.9, 0.8, 0.7], max_tokens=120) == [[0], [2]]
    assert join_best(page, [0.9, 0.8, 0.7], max_tokens=10) == []
    assert join_best([], [], max_tokens=10) == []


def test_what_is_far_behind_the_best_fills_no_room() -> None:
    apart = [replace(each, likeness=0.0) for each in PAGE]
    assert join_best(apart, [1.0, 0.39, 0.41, 0.1, 0.0, 0.0], max_tokens=10_000) == [[0], [2]]


def test_what_was_said_is_not_said_again() -> None:
    copy = replace(PAGE[2], page=("other", 1, "text"))
    runs = join_best([*PAGE, copy], [0, 0.9, 0, 0, 0, 0, 0.8], max_tokens=10_000)
    assert runs == [[0, 1, 2]]


def test_a_piece_knows_its_tokens() -> None:
    assert [each.tokens for each in (piece(0), piece(1, tokens=7))] == [100, 7]


def test_a_score_is_of_the_page_the_words_and_the_meaning() -> None:
    best, said, meaning = (
        replace(PAGE[0], page_score=1.0, words=5.0, cosine=0.8),
        replace(PAGE[1], page_score=0.0, words=5.0, cosine=0.2),
        replace(PAGE[2], page_score=0.0, words=1.0, cosine=0.8),
    )
    assert score_pieces([best, said, meaning], semantic_weight=0.5) == pytest.approx([1.0, 0.35, 0.35])
    assert score_pieces([best, said, meaning], semantic_weight=0.25) == pytest.approx([1.0, 0.525, 0.175])
    unknown = [replace(each, cosine=None) for each in (best, said, meaning)]
    assert score_pieces(unknown, semantic_weight=0.0) == pytest.approx([1.0, 0.7, 0.0])
