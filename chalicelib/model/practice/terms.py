"""Finds the terms of sentences that can be asked for.

A term is a number, a name (a run of capitalised words within a sentence), or a noun. Nouns are told by their
neighbours: a noun follows an article, a preposition or a word that something follows elsewhere as a noun, and a mark
or a function word follows it. In German a noun has a capital.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal

from msgspec import Struct

from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.practice.nouns import JOINERS, is_noun, nouns_in, other_words_in
from chalicelib.model.practice.term_words import BEFORE_NOUN, LABELS, MORE_EMPTY
from chalicelib.model.search.lexical import ngrams_in

INFLECTED = ("de", "fr", "es", "it", "pt", "ru")  # the word in front of a term must fit it
MAX_NAME_WORDS = 4
# Endings by which words of one type are told apart: a distractor shares its key's.
_ENDINGS = ("ing", "ed", "ly")
_UNITS = ("%", "％", "€", "$", "£", "°")
Kind = Literal["number", "name", "word"]


class Term(Struct, frozen=True, kw_only=True):
    """A term at its place in a sentence. Two terms may stand for each other when their `shape` is equal.

    `left` is the word in front, lower-case, "" at a sentence's beginning; `right` is what follows.
    """

    text: str
    kind: Kind
    start: int
    left: str
    right: str
    language: str | None

    @property
    def shape(self) -> tuple[str, ...]:
        if self.kind == "number":
            return ("number",)
        capitals = "capitals" if self.text.isupper() else "words"
        if self.kind == "name":
            return ("name", capitals, str(min(2, len(self.text.split()))), self._ending, self._slot)
        return ("word", self._ending, self._slot)

    @property
    def _ending(self) -> str:
        """Return what tells a word's number, or its case where that is seen in it."""
        return self.text[-2:] if self.language == "ru" else ending_of(self.text)

    @property
    def _slot(self) -> str:
        """Return what the word in front demands: itself where words agree with it, else whether it is an article."""
        if self.language in INFLECTED:
            is_small = self.left in EMPTY or self.left in MORE_EMPTY or self.left in BEFORE_NOUN
            return self.left if is_small else self.left[-2:]
        return (
            "the" if self.left in ("a", "an") else self.left if self.left in ("the", "in", "at", "by") else ""
        )


def type_of(term: str) -> tuple[str, bool, str]:
    """Return by what a distractor must equal its key: number or word, its capital, its ending."""
    if term[0].isdigit():
        return "number", False, ""
    return "word", term[0].isupper(), ending_of(term)


def is_function_word(word: str) -> bool:
    lower = word.lower()
    return lower in EMPTY or lower in MORE_EMPTY or lower in BEFORE_NOUN


def ending_of(word: str) -> str:
    """Return the ending that tells a word's form, "s" for a plural in English."""
    lower = word.lower()
    if lower.endswith("s") and not lower.endswith(("ss", "us", "is", "ics")):
        return "s"
    return next((each for each in _ENDINGS if lower.endswith(each)), "")


def terms_of(sentences: Sequence[str], languages: Sequence[str | None]) -> list[list[Term]]:
    """Return, for each sentence in its language, the terms that can be asked for, in order."""
    tokens = [list(_token().finditer(sentence)) for sentence in sentences]
    words = [[token[0] for token in each] for each in tokens]
    nouns = nouns_in(words)
    others = other_words_in(words) - nouns
    return [
        _terms(each, language=language, nouns=nouns, others=others)
        for each, language in zip(tokens, languages, strict=True)
    ]


def _terms(
    tokens: Sequence[re.Match[str]], *, language: str | None, nouns: frozenset[str], others: frozenset[str]
) -> list[Term]:
    found: list[Term] = []
    cited = [match.span() for match in _citation().finditer(tokens[0].string)] if tokens else []
    n = 0
    while n < len(tokens):
        length, kind = _read_term([token[0] for token in tokens], n, language=language, nouns=nouns)
        start, end = tokens[n].start(), tokens[n + length - 1].end()
        is_cited = any(first < start < last for first, last in cited)
        is_other = kind == "word" and language == "en" and tokens[n][0].lower() in others
        if kind and not is_other and not is_cited and _stands_free(tokens[n].string, start, end):
            left = _left_of([token[0] for token in tokens], n)
            text = tokens[n].string[start:end]
            right = _right_of([token[0] for token in tokens], n + length)
            found.append(Term(text=text, kind=kind, start=start, left=left, right=right, language=language))
        n += length
    return found


def _left_of(tokens: Sequence[str], n: int) -> str:
    """Return the word in front of a term; before "as" and "of" also what tells how it stands there."""
    left = tokens[n - 1].lower() if n else ""
    if left == "as" and n > 1:
        return f"{tokens[n - 2].lower()} as"
    return "of capital" if left == "of" and n > 2 and _is_capital(tokens[n - 2]) else left


def _right_of(tokens: Sequence[str], n: int) -> str:
    """Return what follows a term; behind a comma also whether a word with a capital does."""
    right = tokens[n] if n < len(tokens) else ""
    return ", capital" if right == "," and n + 1 < len(tokens) and _is_capital(tokens[n + 1]) else right


def _read_term(
    tokens: Sequence[str], n: int, *, language: str | None, nouns: frozenset[str]
) -> tuple[int, Kind | None]:
    """Return how many tokens to go on, and the kind of the term that these are, None if they are none."""
    token = tokens[n]
    left = tokens[n - 1] if n else ""
    right = tokens[n + 1] if n + 1 < len(tokens) else "."
    if token[0].isdigit():
        is_label = (
            left.lower().rstrip(".") in LABELS
            or left in ("[", "(", ":", *JOINERS)
            or right in ("]", *JOINERS)
        )
        is_part = left[:1].isdigit() or right[:1].isdigit()  # "111 529"
        is_label = is_label or _is_named_by_number(left, token, right, n)
        is_code = len(token) > 9 or (token[0] == "0" and token.isdigit() and len(token) > 1)
        return 1, None if is_label or is_part or is_code else "number"
    if not token[0].isalpha():
        return 1, None
    if n and token[0].isupper() and left not in (".", ":", "“", '"', "„", "«") and language != "de":
        length = 1
        while n + length < len(tokens) and _is_capital(tokens[n + length]) and length < MAX_NAME_WORDS + 1:
            length += 1
        follows = tokens[n + length] if n + length < len(tokens) else "."
        is_part = _is_capital(left) or "&" in (left, follows) or left in JOINERS or follows in JOINERS
        is_part = is_part or (language == "en" and token.rpartition("-")[2].islower() and "-" in token)
        is_part = is_part or (follows == "." and len(tokens[n + length - 1]) == 1)  # "William E."
        is_name = not is_part and length <= MAX_NAME_WORDS and (length > 1 or len(token) >= 3)
        is_known = (
            token.lower() not in EMPTY and token.lower() not in MORE_EMPTY and token.lower() not in LABELS
        )
        return length, "name" if is_name and is_known and all(
            map(_is_plain, tokens[n : n + length])
        ) else None
    is_word = n > 0 and len(token) >= 4 and is_noun(tokens, n, language=language, nouns=nouns)
    return 1, "word" if is_word else None


def _is_named_by_number(left: str, token: str, right: str, n: int) -> bool:
    """Return whether a number tells which one the word in front of it means: "Apollo 11", "line 4,", "VISION 2020"."""
    if year().fullmatch(token):
        return left.isupper() and len(left) > 1
    ends = not right[0].isalnum() and right not in _UNITS
    return (n > 1 and _is_capital(left)) or (n > 0 and ends and left.isalpha() and not is_function_word(left))


def _stands_free(sentence: str, start: int, end: int) -> bool:
    """Return whether a term is no part of a longer sign, such as "PrP" in "PrP(Sc)"."""
    before, behind = sentence[max(0, start - 1) : start], sentence[end : end + 1]
    return behind not in ("(", "[", "_", "/") and before not in (")", "_", "/")


def _is_plain(token: str) -> bool:
    return not any(char.isdigit() for char in token) and not ngrams_in(token)


def _is_capital(token: str) -> bool:
    return token[:1].isupper()


@cache
def _citation() -> re.Pattern[str]:
    """Match references to literature in brackets: numbers alone, a name before a year, or a place in a work."""
    return re.compile(
        r"[(\[]\s*\d+[a-z]?(?:\s*[,;–-]\s*\d+[a-z]?)*\s*[)\]]|"
        r"\([^()]*[^\W\d_]\.?,? (?:1[89]|20)\d\d[a-z]?\b[^()]*\)|"
        r"\([^()]*\b(?:para|pp?|vol|no)\. \d[^()]*\)"
    )


@cache
def year() -> re.Pattern[str]:
    """Match a year from 1000 to 2099."""
    return re.compile("1[0-9]{3}|20[0-9]{2}")


@cache
def _token() -> re.Pattern[str]:
    """Match numbers, words (with their hyphens and apostrophes), and single marks."""
    return re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[-'’][^\W_]+)*|[^\w\s]")
