"""Finds answers that turn a relation round: "the shorter the string, the lower the pitch", where it is higher.

A relation is two words of measure that stand side by side in a sentence: both grow (+1), or one grows as the other
falls (-1). Words of measure are told by their axis: long and short are one, high and low are another.
"""

import re
from collections.abc import Iterator

from chalicelib.model.practice.wording import REACH, is_denial

MAX_APART = 12  # words between the two of a relation
_AXES = """
more most greater greatest greatly many much, less least fewer fewest few
high higher highest, low lower lowest
long longer longest, short shorter shortest
big bigger biggest large larger largest, small smaller smallest
fast faster fastest quick quicker quickly, slow slower slowest slowly
heavy heavier heaviest, light lighter lightest
hard harder hardest difficult, easy easier easiest easily
loud louder loudest, quiet quieter soft softer
strong stronger strongest, weak weaker weakest
increase increases increased rise rises rising grow grows, decrease decreases decreased fall falls falling shrink
far farther further farthest away, close closer closest near nearer nearest
hot hotter hottest warm warmer, cold colder coldest cool cooler
tight tighter tightened, loose looser loosened
steep steeper steepest, flat flatter flattest
thick thicker thickest, thin thinner thinnest
deep deeper deepest, shallow shallower
dark darker darkest, bright brighter brightest
"""
_MEASURES = {
    word: (axis, sign)
    for axis, line in enumerate(_AXES.strip().splitlines())
    for sign, words in zip((1, -1), line.split(","), strict=True)
    for word in words.split()
}
_SENTENCE = re.compile(r"[.;!?\n]+")
_COMPARISON = re.compile(r"\bthan\b[^,]*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def turns_relation(reference: str, answer: str) -> bool:
    """Return whether the answer has a relation of the reference with the other sign, and none with the same."""
    wanted, said = dict(_relations(reference)), list(_relations(answer))
    signs = {wanted[axes] * sign for axes, sign in said if axes in wanted}
    return signs == {-1}


def _relations(text: str) -> Iterator[tuple[frozenset[int], int]]:
    """Yield the two axes of each relation, and its sign."""
    for sentence in _SENTENCE.split(_COMPARISON.sub(" ", text.lower())):
        measures = _measures(sentence)
        n = 0
        while n + 1 < len(measures):
            (at, axis, sign), (next_at, next_axis, next_sign) = measures[n : n + 2]
            if axis != next_axis and next_at - at <= MAX_APART:
                yield frozenset((axis, next_axis)), sign * next_sign
                n += 1
            n += 1


def _measures(sentence: str) -> list[tuple[int, int, int]]:
    """Return the place, axis and sign of each word of measure. Of two neighbours ("much faster") the second counts."""
    found: list[tuple[int, int, int]] = []
    denied_until = -1
    for n, word in enumerate(_WORD.findall(sentence)):
        if is_denial(word):
            denied_until = n + REACH
        elif word in _MEASURES:
            axis, sign = _MEASURES[word]
            if found and found[-1][0] == n - 1:
                found.pop()
            found.append((n, axis, -sign if n <= denied_until else sign))
    return found
