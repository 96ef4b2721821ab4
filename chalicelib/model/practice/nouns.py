"""Tells nouns by their neighbours."""

from collections.abc import Sequence
from itertools import pairwise

from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.practice.term_words import (
    ARTICLES,
    BEFORE_NOUN,
    BEFORE_OTHERS,
    GENERIC,
    MORE_EMPTY,
    NOT_BEFORE_NOUN,
)

OPENING_MARKS = ("(", "[", '"', "“", "„", "«", "‘")  # do not end what stands before them
JOINERS = ("-", "–", "—", "/")  # between parts of one sign


def is_noun(tokens: Sequence[str], n: int, *, language: str | None, nouns: frozenset[str]) -> bool:
    """Return whether the token at `n` is a noun. `nouns` are those found elsewhere in the texts."""
    left, token, right = tokens[n - 1], tokens[n], tokens[n + 1] if n + 1 < len(tokens) else "."
    lower = token.lower()
    if lower in EMPTY or lower in MORE_EMPTY or lower in GENERIC or "'" in token or "’" in token:
        return False
    follows = right.lower()
    is_mark = not right[0].isalnum() and right not in OPENING_MARKS
    ends = is_mark or follows in EMPTY or follows in MORE_EMPTY
    joins = follows in ("and", "or", "и", "или", "und", "et", "y")
    if left in JOINERS or right in JOINERS or (joins and lower not in nouns):
        return False
    if language == "de":
        part_of_name = right[0].isupper() or (n > 1 and left[:1].isupper())
        return (
            token[0].isupper()
            and token[1:].islower()
            and left not in (".", ":", "„", '"')
            and not part_of_name
        )
    if language == "en" and (
        lower.endswith(("ly", "ed", "ing", "est", "able", "ous", "ive", "ful")) or follows in ARTICLES
    ):
        return False
    if left.lower() in NOT_BEFORE_NOUN:
        return False
    return ends and (left.lower() in BEFORE_NOUN or (language == "en" and lower in nouns))


def nouns_in(sentences: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the words that stand somewhere between an article and a mark or a function word."""
    found: set[str] = set()
    for tokens in sentences:
        for left, token, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
            follows = right.lower()
            ends = not right[0].isalnum() or follows in EMPTY or follows in MORE_EMPTY
            ends = ends and follows not in ARTICLES and follows not in ("and", "or", ",", "-")
            if left.lower() in ("the", "a", "an", "of", "its", "their") and ends:
                found.add(token.lower())
    return frozenset(found)


def other_words_in(sentences: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the words that stand somewhere where an English verb, adjective or adverb does."""
    return frozenset(
        token.lower()
        for tokens in sentences
        for left, token in pairwise(tokens)
        if left.lower() in BEFORE_OTHERS
    )
