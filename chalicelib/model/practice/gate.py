"""Decides which drafts of exercises anyone sees. Drafts of the app and of a chat model pass the same gate."""

import re
from collections.abc import Sequence
from typing import Literal

from chalicelib.model.chat.citations import Source
from chalicelib.model.practice.drafting import type_of
from chalicelib.model.practice.exercises import GAP, Draft
from chalicelib.model.practice.wording import read_words, stem_of

Reason = Literal[
    "quote_not_found",
    "key_not_in_quote",
    "key_shown",
    "not_one_key",
    "distractor_is_right",
    "distractor_of_other_type",
    "too_few_distractors",
    "giveaway_by_length",
    "giveaway_by_grammar",
    "near_duplicate",
    "says_too_little",
]
LEAST_OPTIONS = 3
LENGTHS_APART = 2.0  # times: a key may be so much longer or shorter than each distractor
ALIKE = 0.8  # share of common words from which two exercises are duplicates
MIN_CONTENT_WORDS = 3
_ARTICLE = re.compile(rf"\b(an?) {GAP}", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"(?:this|that|these|those|it|they|he|she|such|there|here|his|her|their|its)\b", re.IGNORECASE
)


def find_fault(draft: Draft, *, others: Sequence[str]) -> Reason | None:
    """Return the first reason to refuse a draft, None if there is none.

    `others` are the exercises that there are already, as a learner sees them.
    """
    if Source(draft.excerpt.text).find(draft.quote) is None:
        return "quote_not_found"
    if fault := _fault_of_key(draft):
        return fault
    if draft.kind == "multiple_choice" and (fault := _fault_of_options(draft)):
        return fault
    if any(are_alike(draft.shown, other) for other in others):
        return "near_duplicate"
    return None


def are_alike(one: str, other: str) -> bool:
    """Return whether two exercises, as they are shown, share nearly all their words."""
    a, b = {word.stem for word in read_words(one)}, {word.stem for word in read_words(other)}
    return len(a & b) >= ALIKE * max(1, min(len(a), len(b)))


def _fault_of_key(draft: Draft) -> Reason | None:
    """A key must be proved by the quote alone, and must not be seen in the question."""
    key, quoted = _words(draft.key), _words(draft.quote)
    if not key or not set(key) <= set(quoted):
        return "key_not_in_quote"
    if _POINTS_BACK.match(draft.quote) or len(set(quoted)) < MIN_CONTENT_WORDS:
        return "says_too_little"  # whoever sees the sentence alone does not know what it is about
    if draft.kind in ("cloze", "multiple_choice"):
        if draft.question.count(GAP) != 1:
            return "not_one_key"
        if set(key) & set(_words(draft.question.replace(GAP, " "))):
            return "key_shown"
    if draft.kind == "ordered_steps":
        steps = draft.key.split("\n")
        if sorted(steps) != sorted(draft.options) or len({step.lower() for step in steps}) < len(steps):
            return "not_one_key"
        if tuple(steps) == draft.options:
            return "key_shown"
    return None


def _fault_of_options(draft: Draft) -> Reason | None:
    wrong = [option for option in draft.options if option != draft.key]
    if len(wrong) != len(draft.options) - 1 or len(set(map(_plain, draft.options))) < len(draft.options):
        return "not_one_key"
    if len(draft.options) < LEAST_OPTIONS:
        return "too_few_distractors"
    quoted, key = set(_words(draft.quote)), set(_words(draft.key))
    for option in wrong:
        words = set(_words(option))
        if words == key or (words and words <= quoted):
            return "distractor_is_right"
        if not words or type_of(option) != type_of(draft.key):
            return "distractor_of_other_type"
    lengths = [len(option) for option in wrong]
    if len(draft.key) > LENGTHS_APART * max(lengths) or len(draft.key) * LENGTHS_APART < min(lengths):
        return "giveaway_by_length"
    article = _ARTICLE.search(draft.question)
    if article and len({option[0].lower() in "aeiou" for option in draft.options}) > 1:
        return "giveaway_by_grammar"
    return None


def _words(text: str) -> list[str]:
    return [stem_of(word) for word in re.findall(r"\w+", text.lower())]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
