import pytest

from chalicelib.model.search.ranking import (
    RELEVANT,
    best_children,
    first_of_each,
    fuse,
    is_relevant,
    relevance,
    semantic_weight_for,
)


def test_fuse_scales_each_list_and_adds_them_by_weight() -> None:
    hits = fuse({"a": 10.0, "b": 6.0, "c": 2.0}, {"b": 0.9, "d": 0.5, "a": 0.7}, semantic_weight=0.4)
    assert [(hit.key, round(hit.score, 9)) for hit in hits] == [
        ("a", 0.8),
        ("b", 0.7),
        ("c", 0.0),
        ("d", 0.0),
    ]
    first, last = hits[0], hits[-1]
    assert (first.lexical_score, first.lexical_rank) == (10.0, 1)
    assert (first.semantic_score, first.semantic_rank) == (0.7, 2)
    assert (last.lexical_score, last.lexical_rank) == (None, None)
    assert (last.semantic_score, last.semantic_rank) == (0.5, 3)
    assert [round(hit.lexical_part, 9) for hit in hits] == [0.6, 0.3, 0.0, 0.0]
    assert all(hit.score == hit.lexical_part + hit.semantic_part for hit in hits)


def test_fuse_of_one_list_keeps_its_order_and_a_lone_hit_counts_fully() -> None:
    assert [hit.key for hit in fuse({}, {"x": 0.1, "y": 0.2}, semantic_weight=0.45)] == ["y", "x"]
    assert fuse({"x": 3.0}, {}, semantic_weight=0.45)[0].score == pytest.approx(0.55)
    assert fuse({}, {}, semantic_weight=0.45) == []


def test_ties_are_ordered_by_key_whatever_the_order_of_arrival() -> None:
    forwards = fuse({("b", 1): 1.0, ("a", 2): 1.0, ("a", 1): 1.0}, {}, semantic_weight=0.5)
    backwards = fuse({("a", 1): 1.0, ("a", 2): 1.0, ("b", 1): 1.0}, {}, semantic_weight=0.5)
    assert forwards == backwards
    assert [(hit.key, hit.lexical_rank) for hit in forwards] == [(("a", 1), 1), (("a", 2), 2), (("b", 1), 3)]


def test_best_children_keeps_each_parents_best_and_orders_the_parents() -> None:
    scores = {"p1.a": 0.2, "p2.a": 0.5, "p1.b": 0.9, "p2.b": 0.5}
    best = best_children(scores, lambda chunk: chunk[:2])
    assert list(best.items()) == [("p1", ("p1.b", 0.9)), ("p2", ("p2.a", 0.5))]


def test_first_of_each_folds_pages_to_items_in_order() -> None:
    hits = fuse({("x", 3): 5.0, ("y", 1): 4.0, ("x", 1): 3.0, ("z", 9): 2.0}, {}, semantic_weight=0.45)
    assert [hit.key for hit in first_of_each(hits, lambda page: page[0])] == [("x", 3), ("y", 1), ("z", 9)]


BOTH, ENGLISH, OTHER = "minilm-e5-small", "all-MiniLM-L6-v2", "of-somebody"
LATIN_QUERIES = ("der Hund auf dem Sofa", "un chat sur le canapé", "gato en el sofá")
OTHER_SCRIPTS = ("東京の写真", "фото кошки", "صورة قطة", "고양이 사진")
ENGLISH_QUERIES = (
    "",
    "cat",
    "the cat on the sofa",
    "de novo mutations",
    "café in Paris",
    "TGF-β induces α-SMA",
    "vitamin D",
    "2024",
)


def test_words_count_as_much_as_a_page_has_of_them_where_the_model_reads_the_language() -> None:
    for query in ENGLISH_QUERIES:
        for model in (BOTH, ENGLISH, OTHER):
            assert semantic_weight_for(query, model=model, coverage=0.9) == 0.55, query
            assert semantic_weight_for(query, model=model, coverage=0.1) == 0.9, query
            assert semantic_weight_for(query, model=model, coverage=0.0) == 1.0, query
    for query in LATIN_QUERIES + OTHER_SCRIPTS:
        assert semantic_weight_for(query, model=BOTH, coverage=0.9) == 0.55, query
        assert semantic_weight_for(query, model="voyage-4", coverage=0.2) == 0.8, query


def test_a_model_counts_little_in_a_language_that_it_may_not_read_and_nothing_in_a_script_it_cannot() -> None:
    for query in LATIN_QUERIES:
        assert semantic_weight_for(query, model=ENGLISH, coverage=0.1) == 0.25, query
    for query in OTHER_SCRIPTS:
        assert semantic_weight_for(query, model=ENGLISH, coverage=0.1) == 0.0, query
    for query in LATIN_QUERIES + OTHER_SCRIPTS:
        assert semantic_weight_for(query, model=OTHER, coverage=0.1) == 0.25, query


@pytest.mark.parametrize(
    ("model", "query", "semantic_score", "coverage", "relevant"),
    [
        (ENGLISH, "", 0.42, None, True),
        (ENGLISH, "", 0.41, 0.74, False),
        (ENGLISH, "", 0.10, 0.75, True),
        (ENGLISH, "", None, 0.50, True),
        (ENGLISH, "", None, 0.49, False),
        (ENGLISH, "", None, None, False),
        (ENGLISH, "der Hund auf dem Sofa", 0.41, None, False),
        (BOTH, "the dog on the sofa", 0.36, None, True),
        (BOTH, "the dog on the sofa", 0.35, 0.74, False),
        (BOTH, "der Hund auf dem Sofa", 0.18, None, True),
        (BOTH, "der Hund auf dem Sofa", 0.17, 0.74, False),
        (BOTH, "der Hund auf dem Sofa", 0.1, 0.75, True),
        (OTHER, "", 0.99, None, False),
        (OTHER, "", 0.99, 0.24, False),
        (OTHER, "", 0.42, 0.25, True),
        (OTHER, "", 0.41, 0.49, False),
        (OTHER, "", 0.10, 0.50, True),
        (OTHER, "", None, 0.49, False),
        (None, "", None, 0.50, True),
        ("voyage-4-lite", "", 0.42, None, True),
        ("voyage-4-lite", "", 0.41, 0.74, False),
    ],
)
def test_what_is_relevant_depends_on_the_model(
    model: str | None, query: str, semantic_score: float | None, coverage: float | None, relevant: bool
) -> None:
    given = {"semantic_score": semantic_score, "coverage": coverage}
    assert is_relevant(**given, model=model, query=query) is relevant


@pytest.mark.parametrize(
    ("semantic_score", "coverage", "shown"),
    [
        (0.27, 0.42, True),  # bill for repairing a bicycle wheel: two words of four are on the bill
        (0.25, 0.42, True),  # cup of coffee: one of two
        (0.45, None, True),
        (0.31, 0.26, False),  # a train timetable, where only a travel policy is
        (0.29, 0.0, False),
        (None, 0.4, True),
        (None, 0.39, False),
        (None, None, False),
    ],
)
def test_a_search_shows_what_has_the_meaning_or_a_good_part_of_the_words(
    semantic_score: float | None, coverage: float | None, shown: bool
) -> None:
    value = relevance(semantic_score=semantic_score, coverage=coverage, model="all-MiniLM-L6-v2")
    assert (value >= RELEVANT) is shown
    assert 0 <= value <= 1
