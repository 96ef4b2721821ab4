"""Tells how well a term serves as a key: a year and a name do well, a word that others fit as well does not."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

from chalicelib.model.practice.exercises import Kind
from chalicelib.model.practice.sentence_choice import rarity_of
from chalicelib.model.practice.terms import Term, is_function_word, year
from chalicelib.model.practice.wording import stem_of

YEAR, NAME, NUMBER, COUNT, WORD = 1.5, 1.2, 0.7, 0.0, 0.0
CALLED, REPEATED, WANTED, OTHER_KIND = 0.8, 0.8, 0.5, 0.4
_EXAMPLES_WORDS = """
    like including include includes probably perhaps said says added notes wie etwa comme como включая
"""
_EXAMPLES = frozenset(_EXAMPLES_WORDS.split()) | {"such as"}
_CALLED_WORDS = """
    called named termed genannt heißt appelé llamado называется называют
"""
_CALLED = frozenset(_CALLED_WORDS.split()) | {"known as"}
_PARTICLES_WORDS = """
    al el as ad ar ibn bin ben von van der den della di da du ат аль ад ас ибн бин бен фон ван дер
"""
_PARTICLES = frozenset(_PARTICLES_WORDS.split())
_MEASURES_WORDS = """
    mg g kg ml l mm cm nm μm µm mM nM μM µM mmHg nt bp kb kDa min h s
"""
_MEASURES = frozenset(_MEASURES_WORDS.split())
_AND_WORDS = """
    and or und oder sowie et ou y o и или &
"""
_AND = frozenset(_AND_WORDS.split())


class KeyFitness:
    """Rates terms as keys. `pool` has the terms of all sentences, `wanted` the stems of the concept's words."""

    def __init__(self, pool: Sequence[Sequence[Term]], wanted: frozenset[str]) -> None:
        self._wanted = wanted
        stems = [[stem_of(term.text.lower()) for term in terms] for terms in pool]
        self._rarity: Mapping[str, float] = rarity_of(stems)
        self._often = Counter(stem for each in stems for stem in each)

    def of(self, term: Term, kind: Kind = "cloze") -> float:
        """Return how well a term serves. Numbers serve choices better, names gaps."""
        stem = stem_of(term.text.lower())
        return (
            self._of_kind(term, kind)
            + CALLED * (term.left in _CALLED)
            + REPEATED * (term.kind == "word" and self._often[stem] > 1)
            + 0.1 * self._rarity.get(stem, 0.0)
            + WANTED * (stem in self._wanted)
            + min(0.5, term.start / 200)
        )

    def _of_kind(self, term: Term, kind: Kind) -> float:
        if term.kind == "number":
            other = OTHER_KIND * (kind == "cloze")
            is_count = len(term.text) == 1 or term.right in _MEASURES
            return (YEAR if year().fullmatch(term.text) else COUNT if is_count else NUMBER) - other
        if term.kind == "word":
            return WORD
        return NAME - OTHER_KIND * (kind == "multiple_choice")

    def is_safe(self, term: Term, kind: Kind) -> bool:
        """Return whether hardly another word fits in a term's place.

        Mostly another word fits in a word's place; also in that of one of a list, of a name in front of a noun, of a
        part of a longer name, and of an abbreviation. Wrong options of a name are mostly not plausible, and a number of
        one digit tells little.
        """
        if term.kind == "word" or _is_listed(term):
            return False
        if term.kind == "number":
            return len(term.text) > 1
        is_odd = _is_attribute(term) or _is_part(term) or _is_abbreviation(term)
        return kind == "cloze" and not is_odd


def _is_listed(term: Term) -> bool:
    """Return whether a term is one of several that are named side by side."""
    is_between = term.left == "," and term.right[:1] == ","
    return (
        term.left in _EXAMPLES
        or bool({term.left, term.right.lower()} & _AND)
        or is_between
        or term.right == ", capital"
    )


def _is_part(term: Term) -> bool:
    """Return whether a name goes on beside a particle or a number, is in quotation marks, or one of a class."""
    return (
        term.left in ("of capital", "a", "an", "'", "‘", '"', "“")
        or term.right == "of"
        or not {term.left, term.right.partition("-")[0]}.isdisjoint(_PARTICLES)
        or term.right[:1].isdigit()
    )


def _is_abbreviation(term: Term) -> bool:
    return sum(char.isupper() for char in term.text.split()[0]) > 1


def _is_attribute(term: Term) -> bool:
    """Return whether a name stands before a noun, or has the ending of an adjective."""
    if term.language == "ru":
        return bool(_adjective().search(term.text))
    return term.language == "en" and term.right[:1].islower() and not is_function_word(term.right)


@cache
def _adjective() -> re.Pattern[str]:
    return re.compile("(?:ый|ий|ой|ей|ая|яя|ое|ее|ые|ие|ого|его|ому|ему|ым|им|ую|юю|ых|их|ыми|ими)$")
