"""Folds passages that say what another one, found before them, has said."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

MIN_WORDS = 12  # a heading that two documents share makes neither a copy of the other
_SHINGLE_WORDS = 3
_SHARE = 0.8  # of a passage's shingles that an earlier passage has too
_WORD = re.compile(r"\w++")


class Said:
    """The passages so far.

    One says already what another says when it has nearly all of its runs of three words, and every figure: two
    bills of one firm differ in nothing else.
    """

    def __init__(self) -> None:
        self._count = 0
        self._having: dict[tuple[str, ...], list[int]] = defaultdict(list)  # shingle -> passages that have it
        self._figures: dict[int, set[str]] = {}

    def add(self, text: str) -> int:
        """The number of the earliest passage that says it already; else its own, counted from 0."""
        number, self._count = self._count, self._count + 1
        words = [word.lower() for word in _WORD.findall(text)]
        shingles = {tuple(words[at : at + _SHINGLE_WORDS]) for at in range(len(words) - _SHINGLE_WORDS + 1)}
        figures = {word for word in words if any(map(str.isdigit, word))}
        shared = Counter(other for shingle in shingles for other in self._having.get(shingle, ()))
        least = _SHARE * len(shingles)
        same = [other for other, n in shared.items() if n >= least and figures <= self._figures[other]]
        if len(words) >= MIN_WORDS and same:
            return min(same)
        self._figures[number] = figures
        for shingle in shingles:
            self._having[shingle].append(number)
        return number

    def repeats(self, text: str) -> bool:
        """Whether an earlier one says it already; it counts as said from now on."""
        number = self._count
        return self.add(text) != number


def fold(texts: Sequence[str]) -> list[int]:
    """For each text the place of the earliest that says it already, else its own place."""
    said = Said()
    return [said.add(text) for text in texts]
