"""Finds the terms of sentences that can be asked for.

A term is a number, a name (a run of capitalised words within a sentence), or a noun. Nouns are told by their
neighbours: a noun follows an article, a preposition or a word that something follows elsewhere as a noun, and a mark
or a function word follows it. In German a noun has a capital.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.search.lexical import ngrams_in

INFLECTED = ("de", "fr", "es", "it", "pt", "ru")  # the word in front of a term must fit it
MAX_NAME_WORDS = 4
# Endings by which words of one type are told apart: a distractor shares its key's.
_ENDINGS = ("ing", "ed", "ly")
_ARTICLES_WORDS = """
    the a an this these those that my your his her its our their i you he she it we they who
"""
_ARTICLES = frozenset(_ARTICLES_WORDS.split())
_BEFORE_NOUN_WORDS = """
    the a an of in on at by for from with without between through into during per than its their his her our
    each every these those no any and or via against among under over le la les un une des du de au aux dans par
    pour sur avec sans el los las una unos unas del al en con por para sin в на с для из от по при за к о об без
    до через между под над у
"""
_BEFORE_NOUN = frozenset(_BEFORE_NOUN_WORDS.split())
_NOT_BEFORE_NOUN_WORDS = """
    to not can will would could should may might must do does did i you he she it we they who which that is are
    was were be been being has have had very more most so too
"""
_NOT_BEFORE_NOUN = frozenset(_NOT_BEFORE_NOUN_WORDS.split())
# A word behind one of these is a verb, or an adjective or adverb.
_BEFORE_OTHERS_WORDS = """
    to can could will would should may might must not do does did they we you he she very so too as more most less
"""
_BEFORE_OTHERS = frozenset(_BEFORE_OTHERS_WORDS.split())
_MORE_EMPTY_WORDS = """
    forth up out off down back away into onto upon during while whereas whether since until although though because
    per via between among through across within under over after before above below against toward towards
    despite both few several often always never usually typically generally however therefore thus hence still
    even yet already once there here where when why such like unlike including according due well less least
    first second third last next one two three four five six seven eight nine ten и в на с по не что как это для
    из от до при его её их к у о об за но а или был была было были быть также который которая которые которых
    если чем только же бы ли то так уже еще ещё durch gegen ohne um bis seit während wegen trotz zwischen unter
    vor hinter neben sowie sondern sodass dass weil wenn als ob obwohl nur noch schon sehr mehr einer eines kann
    können soll sollen muss müssen darf dürfen sich werden worden wurde wurden hatte hatten haben
"""
_MORE_EMPTY = frozenset(_MORE_EMPTY_WORDS.split())
# Words that tell little, whatever the text is about.
_GENERIC_WORDS = """
    everyone everybody everything someone something anyone anything nothing itself himself herself themselves other
    thing things way ways case cases example examples number numbers result results part parts time times use
    uses kind kinds type types work works paper study studies section chapter figure table work approach
    approaches method methods order end fact point points total amount amounts lack terms term means addition
    reason reasons people group groups year years month months week weeks day days hour hours minute minutes
    page pages rest variety set sets range form forms level levels role presence absence effect effects analysis
    support need needs majority basis side percent million billion thousand hundred half level change changes
    roles mechanism mechanisms course
    use ability teil teile jahr jahre jahren zeit fall fälle beispiel zahl ende form art weise rahmen grund tag
    tage regel folge allgemeinen nähe помощи помощь году лет раз счет счёт образом результате связи
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
_LABELS_WORDS = """
    figure fig table section chapter page abb abbildung tabelle kapitel seite volume no eq equation step
"""
_LABELS = frozenset(_LABELS_WORDS.split())
_OPENING_MARKS = ("(", "[", '"', "“", "„", "«", "‘")  # do not end what stands before them
_JOINERS = ("-", "–", "—", "/")  # between parts of one sign
Kind = Literal["number", "name", "word"]


class Term(Struct, frozen=True, kw_only=True):
    """A term at its place in a sentence. Two terms may stand for each other when their `shape` is equal.

    `left` is the word in front, lower-case, "" at a sentence's beginning.
    """

    text: str
    kind: Kind
    start: int
    left: str
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
            is_small = self.left in EMPTY or self.left in _MORE_EMPTY or self.left in _BEFORE_NOUN
            return self.left if is_small else self.left[-2:]
        return (
            "the" if self.left in ("a", "an") else self.left if self.left in ("the", "in", "at", "by") else ""
        )


def type_of(term: str) -> tuple[str, bool, str]:
    """Return by what a distractor must equal its key: number or word, its capital, its ending."""
    if term[0].isdigit():
        return "number", False, ""
    return "word", term[0].isupper(), ending_of(term)


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
    nouns = _nouns(words)
    others = _others(words) - nouns
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
            left = tokens[n - 1][0].lower() if n else ""
            text = tokens[n].string[start:end]
            found.append(Term(text=text, kind=kind, start=start, left=left, language=language))
        n += length
    return found


def _read_term(
    tokens: Sequence[str], n: int, *, language: str | None, nouns: frozenset[str]
) -> tuple[int, Kind | None]:
    """Return how many tokens to go on, and the kind of the term that these are, None if they are none."""
    token = tokens[n]
    left = tokens[n - 1] if n else ""
    right = tokens[n + 1] if n + 1 < len(tokens) else "."
    if token[0].isdigit():
        is_label = (
            left.lower().rstrip(".") in _LABELS
            or left in ("[", "(", ":", *_JOINERS)
            or right in ("]", *_JOINERS)
        )
        is_part = left[:1].isdigit() or right[:1].isdigit()  # "111 529"
        is_code = len(token) > 9 or (token[0] == "0" and token.isdigit() and len(token) > 1)
        return 1, None if is_label or is_part or is_code else "number"
    if not token[0].isalpha():
        return 1, None
    if n and token[0].isupper() and left not in (".", ":", "“", '"', "„", "«") and language != "de":
        length = 1
        while n + length < len(tokens) and _is_capital(tokens[n + length]) and length < MAX_NAME_WORDS + 1:
            length += 1
        follows = tokens[n + length] if n + length < len(tokens) else "."
        is_part = _is_capital(left) or "&" in (left, follows) or left in _JOINERS or follows in _JOINERS
        is_name = not is_part and length <= MAX_NAME_WORDS and (length > 1 or len(token) >= 3)
        is_known = (
            token.lower() not in EMPTY and token.lower() not in _MORE_EMPTY and token.lower() not in _LABELS
        )
        return length, "name" if is_name and is_known and all(
            map(_is_plain, tokens[n : n + length])
        ) else None
    is_noun = n > 0 and len(token) >= 4 and _is_noun(tokens, n, language=language, nouns=nouns)
    return 1, "word" if is_noun else None


def _is_noun(tokens: Sequence[str], n: int, *, language: str | None, nouns: frozenset[str]) -> bool:
    left, token, right = tokens[n - 1], tokens[n], tokens[n + 1] if n + 1 < len(tokens) else "."
    lower = token.lower()
    if lower in EMPTY or lower in _MORE_EMPTY or lower in _GENERIC or "'" in token or "’" in token:
        return False
    follows = right.lower()
    is_mark = not right[0].isalnum() and right not in _OPENING_MARKS
    ends = is_mark or follows in EMPTY or follows in _MORE_EMPTY
    joins = follows in ("and", "or", "и", "или", "und", "et", "y")
    if left in _JOINERS or right in _JOINERS or (joins and lower not in nouns):
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
        lower.endswith(("ly", "ed", "ing", "est", "able", "ous", "ive", "ful")) or follows in _ARTICLES
    ):
        return False
    if left.lower() in _NOT_BEFORE_NOUN:
        return False
    return ends and (left.lower() in _BEFORE_NOUN or (language == "en" and lower in nouns))


def _nouns(sentences: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the words that stand somewhere between an article and a mark or a function word."""
    found: set[str] = set()
    for tokens in sentences:
        for left, token, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
            follows = right.lower()
            ends = not right[0].isalnum() or follows in EMPTY or follows in _MORE_EMPTY
            ends = ends and follows not in _ARTICLES and follows not in ("and", "or", ",", "-")
            if left.lower() in ("the", "a", "an", "of", "its", "their") and ends:
                found.add(token.lower())
    return frozenset(found)


def _others(sentences: Sequence[Sequence[str]]) -> frozenset[str]:
    """Return the words that stand somewhere where an English verb, adjective or adverb does."""
    return frozenset(
        token.lower()
        for tokens in sentences
        for left, token in pairwise(tokens)
        if left.lower() in _BEFORE_OTHERS
    )


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
def _token() -> re.Pattern[str]:
    """Match numbers, words (with their hyphens and apostrophes), and single marks."""
    return re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[-'’][^\W_]+)*|[^\w\s]")
