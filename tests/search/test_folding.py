import time

import pytest

from chalicelib.model.search.folding import MIN_WORDS, fold

TERMS = "The tenant pays the rent on the third working day of each month to the landlord's account, without charges."
OTHER = "Tomatoes are watered in the morning at the root, never over the leaves, and tied to a stick when they flower."


def test_a_text_that_says_the_same_is_folded_into_the_first() -> None:
    assert fold([OTHER, TERMS, TERMS.upper(), f"{TERMS} Signed.", OTHER]) == [0, 1, 1, 1, 0]


def test_a_part_is_folded_into_the_whole_but_not_the_whole_into_the_part() -> None:
    part = TERMS.rpartition(",")[0]
    assert fold([TERMS, part]) == [0, 0]
    assert fold([part, f"{TERMS} {OTHER}"]) == [0, 1]


def test_another_figure_makes_it_another_text() -> None:
    first, second = (f"{TERMS} The rent is {amount} euros." for amount in (700, 750))
    assert fold([first, second, first]) == [0, 1, 0]
    assert fold([first, TERMS]) == [0, 0]


@pytest.mark.parametrize("denied", ["does not pay", "can't pay", "zahlt nie"])
def test_a_rule_and_its_opposite_are_two_texts(denied: str) -> None:
    forbidden = TERMS.replace("pays", denied)
    assert fold([TERMS, forbidden, TERMS]) == [0, 1, 0]
    assert fold([forbidden, TERMS, forbidden]) == [0, 1, 0]


def test_what_is_short_or_empty_is_never_folded() -> None:
    heading = " ".join(["heading"] * (MIN_WORDS - 1))
    assert fold(["", "", heading, heading]) == [0, 1, 2, 3]
    assert fold([]) == []


def test_folding_into_what_was_folded_leads_to_the_first() -> None:
    near = TERMS.replace("landlord's", "owner's")
    assert fold([TERMS, near, near]) == [0, 0, 0]


def test_a_hundred_long_copies_take_no_time() -> None:
    texts = [" ".join(f"word{n * k}" for n in range(500)) for k in range(100)] * 2
    start = time.thread_time()
    assert fold(texts)[100:] == list(range(100))
    assert time.thread_time() - start < 2
