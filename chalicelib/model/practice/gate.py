"""Decides which drafts of exercises anyone sees. Drafts of the app and of a chat model pass the same gate."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from chalicelib.model.chat.citations import Source
from chalicelib.model.chat.figures import has_unsupported_facts
from chalicelib.model.chat.grounding import share_of_words, strays
from chalicelib.model.chat.links import has_unsupported_addresses
from chalicelib.model.practice.distractors import synonym_bound
from chalicelib.model.practice.exercises import GAP, KEYLESS, Draft, Seen
from chalicelib.model.practice.self_contained import points_elsewhere
from chalicelib.model.practice.sentence_choice import whole_sentences
from chalicelib.model.practice.terms import type_of
from chalicelib.model.practice.wording import read_words, stem_of
from chalicelib.model.search.language import language_of
from chalicelib.model.search.lexical import ngrams_in

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
    "says_more",
]
LEAST_OPTIONS = 3
LENGTHS_APART = 2.0  # times: a key may be so much longer or shorter than each distractor
ALIKE = 0.8  # share of common words from which two exercises are duplicates
WORDED = 0.5  # share of a free key's words that its quote must have
SAID = 0.6  # share of a question's words that a sentence must have to say the same
MIN_CONTENT_WORDS = 3  # of a sentence that is shown
MIN_ASKED_WORDS = 2  # of a question in other words than its sentence's
MIN_NEW_WORDS = 2  # of a free answer: words that the question does not have
FORM_CHARS = 6  # words that share so many characters at the beginning are forms of one word
DERIVED_CHARS, MAX_ENDING = 5, 3  # "Tibet" shows in "Tibetan"
OPENING_CHARS = 16  # a question that has so much of the quote's beginning shows the quote
_ARTICLE = re.compile(rf"\b(an?) {GAP}", re.IGNORECASE)


def find_fault(draft: Draft, *, others: Sequence[Seen]) -> Reason | None:
    """Return the first reason to refuse a draft, None if there is none. `others` are the exercises that there are."""
    if Source(draft.excerpt.text).find(draft.quote) is None:
        return "quote_not_found"
    fault = _fault_of_question(draft) or _fault_of_key(draft)
    if fault is None and draft.kind == "ordered_steps":
        fault = _fault_of_steps(draft)
    elif fault is None and (draft.kind == "multiple_choice" or draft.options):
        fault = _fault_of_options(draft)
    if fault is None and draft.writer != KEYLESS and _says_more(draft):
        fault = "says_more"
    if fault is None and any(_repeats(draft, other) for other in others):
        fault = "near_duplicate"
    return fault


def _says_more(draft: Draft) -> bool:
    """Return whether question or key has a number or an address that the passage lacks, or an option has an address."""
    sources = [draft.excerpt.text]
    said = f"{draft.question.replace(GAP, ' ')}\n{draft.key}"
    return has_unsupported_facts(said, sources) or has_unsupported_addresses(
        " ; ".join(draft.options), sources
    )


def _repeats(draft: Draft, other: Seen) -> bool:
    """Return whether a draft asks what the other exercise asks: in its words, or for its key of its sentence."""
    same_quote = _are_alike(draft.quote, other.quote)
    if _are_alike(draft.question, other.question):
        says_all = draft.kind not in (
            "ordered_steps",
            "image_question",
        )  # these two ask all in the same words
        return same_quote or (says_all and draft.question == other.question)
    return same_quote and set(_words(draft.key)) == set(_words(other.key))


def _are_alike(one: str, other: str) -> bool:
    """Return whether two texts share nearly all their words."""
    a, b = stems_of(one), stems_of(other)
    return len(a & b) >= ALIKE * max(1, min(len(a), len(b)))


@lru_cache(maxsize=2048)
def stems_of(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in read_words(text))


def _fault_of_key(draft: Draft) -> Reason | None:
    """A key must be proved by the quote alone, and must not be seen in the question."""
    key = _words(draft.key)
    if not key:
        return "key_not_in_quote"
    in_quote = set(key) <= set(_words(draft.quote))
    if not in_quote and not (draft.kind == "short_answer" and _is_wording(draft)):
        return "key_not_in_quote"
    if GAP in draft.question and _is_spelt_out(draft):
        return "key_shown"
    asked = set(_words(draft.question.replace(GAP, " ")))
    if GAP in draft.question and any(_begin_alike(word, other) for word in key for other in asked):
        return "key_shown"
    if draft.kind == "short_answer":
        new = stems_of(draft.key) - stems_of(draft.question)
        return None if len(new) >= MIN_NEW_WORDS or ngrams_in(draft.key) else "key_shown"
    if draft.kind != "ordered_steps" and (set(key) & asked if GAP in draft.question else set(key) <= asked):
        return "key_shown"
    return None


def _is_wording(draft: Draft) -> bool:
    """Return whether a key says what the quote says, in other words or in the other language of its question."""
    if strays(draft.key, [draft.quote], known=[draft.question]):
        return False
    spoken = language_of(draft.key)
    if spoken and spoken == draft.language != language_of(draft.quote):
        return True
    return share_of_words(draft.key, draft.quote) >= WORDED


def _is_spelt_out(draft: Draft) -> bool:
    """Return whether the words in front of the gap spell the key ("daily dose (____)"), or "(KLF2)" has its number."""
    before, _, behind = draft.question.partition(GAP)
    if draft.key.isdigit():
        return re.search(rf"[^\W\d_]-?{draft.key}\b", f"{before} {behind}") is not None
    if f"({GAP})" in draft.question and " " not in draft.key:
        return True  # it is short for what stands in front
    initials = "".join(word[0] for word in re.findall(r"[^\W\d_]+", before)).lower()
    return len(draft.key) > 1 and draft.key.isupper() and initials.endswith(draft.key.lower())


def _begin_alike(one: str, other: str) -> bool:
    """Return whether two words are forms of one, as far as their beginnings tell."""
    if len(one) > FORM_CHARS and len(other) > FORM_CHARS and one[:FORM_CHARS] == other[:FORM_CHARS]:
        return True
    return len(one) >= DERIVED_CHARS and other.startswith(one) and len(other) <= len(one) + MAX_ENDING


def _fault_of_question(draft: Draft) -> Reason | None:
    """The question must say what it is about to whoever sees it alone."""
    gaps = draft.question.count(GAP)
    if gaps > 1 or (draft.kind == "cloze" and gaps == 0):
        return "not_one_key"
    if draft.kind in ("ordered_steps", "image_question"):
        return None
    opening = " ".join(draft.quote.split())[:OPENING_CHARS]
    shows_quote = gaps == 1 or opening in draft.question
    if shows_quote and (points_elsewhere(draft.quote) or len(set(_words(draft.quote))) < MIN_CONTENT_WORDS):
        return "says_too_little"
    if shows_quote:
        return None
    is_short = len(stems_of(draft.question)) < MIN_ASKED_WORDS and not ngrams_in(draft.question)
    return "says_too_little" if is_short or _is_about_nothing(draft) else None


def _is_about_nothing(draft: Draft) -> bool:
    """Return whether a question has no word of its passage, and is in the passage's language."""
    text = draft.excerpt.text
    same_language = language_of(draft.question) in (None, language_of(text))
    return same_language and share_of_words(draft.question, text) == 0


def _fault_of_steps(draft: Draft) -> Reason | None:
    steps = draft.key.split("\n")
    if sorted(steps) != sorted(draft.options) or len({step.lower() for step in steps}) < len(steps):
        return "not_one_key"
    return "key_shown" if tuple(steps) == draft.options else None


def _fault_of_options(draft: Draft) -> Reason | None:
    wrong = [option for option in draft.options if option != draft.key]
    if len(wrong) != len(draft.options) - 1 or len(set(map(_plain, draft.options))) < len(draft.options):
        return "not_one_key"
    if len(draft.options) < LEAST_OPTIONS:
        return "too_few_distractors"
    quoted, key = set(_words(draft.quote)), set(_words(draft.key))
    near = dict(zip(draft.options, draft.likeness, strict=False))
    for option in wrong:
        words = set(_words(option))
        if words == key or (words and words <= quoted) or near.get(option, 0.0) >= synonym_bound(draft.key):
            return "distractor_is_right"
        if _is_said_elsewhere(option, draft):
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


def _is_said_elsewhere(option: str, draft: Draft) -> bool:
    """Return whether another sentence of the excerpt has the option beside most words of the question."""
    asked, wanted = stems_of(draft.question.replace(GAP, " ")), stems_of(option)
    for sentence in whole_sentences(draft.excerpt.text):
        said = stems_of(sentence)
        if (
            wanted
            and wanted <= said
            and len(asked & said) >= SAID * len(asked)
            and sentence not in draft.quote
        ):
            return True
    return False


def _words(text: str) -> list[str]:
    return [stem_of(word) for word in re.findall(r"\w+", text.lower())]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
