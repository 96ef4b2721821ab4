"""The gate: for each reason an exercise that must be refused, and the same one without the fault, which passes."""

from typing import Any, get_args

import pytest
from msgspec.structs import replace

from chalicelib.errors import NotFound
from chalicelib.model.practice.exercises import Draft, Excerpt
from chalicelib.model.practice.gate import Reason, find_fault
from chalicelib.ops.practice.generate import Wanted, choose_draft

TEXT = "Mechanics measure the wear of a chain with a gauge.\nIt grows longer with every ride."
EXCERPT = Excerpt(
    item_id="i", item_name="chain.pdf", item_sha256=None, source="text", page=1, start=0, text=TEXT
)
GOOD = Draft(
    kind="multiple_choice",
    question="Complete the sentence: Mechanics measure the wear of a chain with a ____.",
    key="gauge",
    options=("ruler", "gauge", "brush"),
    quote="Mechanics measure the wear of a chain with a gauge.",
    excerpt=EXCERPT,
)
FAULTS: dict[str, dict[str, Any]] = {
    "quote_not_found": {"quote": "Mechanics measure the wear of a chain with a big gauge."},
    "key_not_in_quote": {"key": "ruler"},
    "key_shown": {"question": f"{GOOD.question} (not the gauge)"},
    "not_one_key": {"options": ("ruler", "gauge", "Gauge")},
    "distractor_is_right": {"options": ("ruler", "gauge", "chain")},
    "distractor_of_other_type": {"options": ("ruler", "gauge", "75")},
    "too_few_distractors": {"options": ("ruler", "gauge")},
    "giveaway_by_length": {"options": ("chainline-ruler", "gauge", "bottom-bracket")},
    "giveaway_by_grammar": {"options": ("axle", "gauge", "brush")},
    "says_too_little": {
        "quote": "It grows longer with every ride.",
        "kind": "cloze",
        "key": "longer",
        "question": "Complete the sentence: It grows ____ with every ride.",
    },
}


def test_a_good_exercise_passes() -> None:
    assert find_fault(GOOD, others=["Complete the sentence: Riders clean the ____ with paraffin."]) is None


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_is_refused_by_its_reason(reason: str) -> None:
    assert find_fault(replace(GOOD, **FAULTS[reason]), others=()) == reason


def test_a_near_duplicate_is_refused() -> None:
    other = replace(GOOD, question=GOOD.question.replace("Mechanics", "The mechanics")).shown
    assert find_fault(GOOD, others=[other]) == "near_duplicate"


def test_every_reason_is_tried() -> None:
    assert set(get_args(Reason)) == {*FAULTS, "near_duplicate"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"question": "Mechanics measure with a gauge."}, "not_one_key"),
        ({"key": "", "options": ("ruler", "", "brush")}, "key_not_in_quote"),
        ({"kind": "ordered_steps", "key": "wear\nchain", "options": ("wear", "chain")}, "key_shown"),
        ({"kind": "ordered_steps", "key": "wear\nwear", "options": ("wear", "wear")}, "not_one_key"),
        ({"options": ("ruler", "gauge", "gaugeing")}, "distractor_is_right"),
    ],
)
def test_more_faults(more: dict[str, Any], reason: str) -> None:
    assert find_fault(replace(GOOD, **more), others=()) == reason


def test_what_is_refused_is_counted_by_reason() -> None:
    wanted = Wanted(
        concept_id="wear",
        student_id="s",
        interests=(),
        life_category="personal",
        difficulty="basic",
        kind="multiple_choice",
    )
    with pytest.raises(NotFound) as refused:
        choose_draft("wear", [EXCERPT], wanted=wanted, others=(), seed="s")
    assert refused.value.code == "no_exercise" and "too_few_distractors 2" in refused.value.message
    cloze = replace(wanted, kind="cloze")
    draft, counted = choose_draft("wear", [EXCERPT], wanted=cloze, others=(), seed="s")
    assert (draft.kind, counted) == ("cloze", {})
    with pytest.raises(NotFound, match="near_duplicate 2"):
        choose_draft("wear", [EXCERPT], wanted=cloze, others=(draft.shown,), seed="s")
