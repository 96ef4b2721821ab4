"""Finds passages that repeat an earlier passage."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

MIN_WORDS = 12  # shorter passages never count as repeated: two documents may share a heading
_SHINGLE_WORDS = 3
_SHARE = 0.8  # share of a passage's shingles that an earlier passage must have as well
_WORD = re.compile(r"\w++")
# Words that turn a sentence into its opposite; t is the end of can't, n the beginning of n'est.
_DENIAL_WORDS = """not no never none neither nor without cannot t nicht nie niemals ohne kein keine keinen keinem keiner
    keines ne n pas jamais sans aucun aucune nunca sin ni non mai senza não sem niet geen nooit zonder"""
DENIALS = frozenset(_DENIAL_WORDS.split())


class SeenPassages:
    """The passages seen so far.

    An earlier passage says the same as a new one if it has nearly all runs of three words of the new one, all its
    numbers, and as many negations. Negations are not compared if the earlier passage has all the runs. Numbers and
    negations matter: two bills of one firm differ only in numbers, a rule and its opposite only in a negation.
    """

    def __init__(self) -> None:
        self._count = 0
        self._passages_with: dict[tuple[str, ...], list[int]] = defaultdict(list)  # by shingle
        self._figures: dict[int, set[str]] = {}
        self._denials: dict[int, int] = {}

    def add(self, text: str) -> int:
        """Return the number of the earliest passage that says the same, or else the number given to this passage.

        Passages are numbered from 0 in the order in which they are added.
        """
        number, self._count = self._count, self._count + 1
        words = [word.lower() for word in _WORD.findall(text)]
        shingles = {tuple(words[at : at + _SHINGLE_WORDS]) for at in range(len(words) - _SHINGLE_WORDS + 1)}
        figures = {word for word in words if any(map(str.isdigit, word))}
        shared = Counter(other for shingle in shingles for other in self._passages_with.get(shingle, ()))
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
            self._passages_with[shingle].append(number)
        return number

    def repeats(self, text: str) -> bool:
        """Return whether an earlier passage says the same, and add this passage."""
        number = self._count
        return self.add(text) != number


def fold(texts: Sequence[str]) -> list[int]:
    """Return, for each text, the position of the earliest text that says the same; its own position if none does."""
    seen = SeenPassages()
    return [seen.add(text) for text in texts]
