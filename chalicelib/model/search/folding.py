"""Folds passages that say what another one, found before them, has said."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

MIN_WORDS = 12  # a heading that two documents share makes neither a copy of the other
_SHINGLE_WORDS = 3
_SHARE = 0.8  # of a passage's shingles that an earlier passage has too
_WORD = re.compile(r"\w++")
# Words that turn a sentence into its opposite; t is that of can't, n that of n'est.
_DENYING = """not no never none neither nor without cannot t nicht nie niemals ohne kein keine keinen keinem keiner
    keines ne n pas jamais sans aucun aucune nunca sin ni non mai senza não sem niet geen nooit zonder"""
DENIALS = frozenset(_DENYING.split())


class Said:
    """The passages so far.

    One says already what another says when it has nearly all of its runs of three words, every figure, and, unless
    it has all of the runs, denies as often: two bills of one firm differ in nothing else, nor do a rule and its
    opposite.
    """

    def __init__(self) -> None:
        self._count = 0
        self._having: dict[tuple[str, ...], list[int]] = defaultdict(list)  # shingle -> passages that have it
        self._figures: dict[int, set[str]] = {}
        self._denials: dict[int, int] = {}

    def add(self, text: str) -> int:
        """The number of the earliest passage that says it already; else its own, counted from 0."""
        number, self._count = self._count, self._count + 1
        words = [word.lower() for word in _WORD.findall(text)]
        shingles = {tuple(words[at : at + _SHINGLE_WORDS]) for at in range(len(words) - _SHINGLE_WORDS + 1)}
        figures = {word for word in words if any(map(str.isdigit, word))}
        shared = Counter(other for shingle in shingles for other in self._having.get(shingle, ()))
        least = _SHARE * len(shingles)
        denials = sum(word in DENIALS for word in words)
        alike = (
            other for other, n in shared.items() if n == len(shingles) or denials == self._denials[other]
        )
        same = [other for other in alike if shared[other] >= least and figures <= self._figures[other]]
        if len(words) >= MIN_WORDS and same:
            return min(same)
        self._figures[number], self._denials[number] = figures, denials
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
