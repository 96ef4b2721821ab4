"""Aligns the words of an answer with those of its reference by the vectors of the words.

A word is as much there as the likest word of the other text: "dries up" has a part of "evaporates". Rare words count
more than common ones, and words that are like one of the question's count less, since an answer may repeat them
without knowing anything.
"""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from chalicelib.model.practice.common_words import COMMON
from chalicelib.model.practice.wording import tokens_of

Likeness = Callable[[str, str], float]
MAX_WORDS = 60  # of a text are aligned
_RARE_RANK = 5000  # is taken for words that are not in COMMON
_RANKS = {word: rank for rank, word in enumerate(COMMON.split())}


class _Side(Struct, frozen=True):
    """A text's words. `found` is how likely each is in the other text, `asked` in the question."""

    words: Sequence[str]
    found: Sequence[float]
    asked: Sequence[float]

    def share(self) -> float:
        return _mean(self.found, [_rarity(word) for word in self.words])

    def new(self) -> list[float]:
        return [
            _rarity(word) * max(0.0, 1 - asked) for word, asked in zip(self.words, self.asked, strict=True)
        ]


def words_to_align(text: str) -> list[str]:
    """Return the different words of a text, in order, as their vectors are asked for."""
    return list(dict.fromkeys(tokens_of(text)))[:MAX_WORDS]


def align(question: str, reference: str, answer: str, likeness: Likeness) -> dict[str, float]:
    """Return the features by name. `likeness` is the cosine of two words' vectors."""
    asked, wanted, said = map(words_to_align, (question, reference, answer))
    if not wanted or not said:
        return dict.fromkeys(_NAMES, 0.0)
    table = [[likeness(one, other) for other in said] for one in wanted]
    reached = _Side(wanted, [max(row) for row in table], _best(wanted, asked, likeness))
    given = _Side(said, [max(column) for column in zip(*table, strict=True)], _best(said, asked, likeness))
    values = (
        reached.share(),
        given.share(),
        _mean(reached.found, reached.new()),
        _mean(given.found, given.new()),
        _mean(
            [found - known for found, known in zip(reached.found, reached.asked, strict=True)],
            [_rarity(word) for word in wanted],
        ),
        _rarest_third(reached),
        1 - _mean(given.asked, [_rarity(word) for word in said]),
        1 - _mean(reached.asked, [_rarity(word) for word in wanted]),
    )
    return dict(zip(_NAMES, values, strict=True))


_NAMES = (
    "like_recall",
    "like_precision",
    "like_new_recall",
    "like_new_precision",
    "like_gain",
    "like_rarest",
    "like_answer_new",
    "like_reference_new",
)


def _best(words: Sequence[str], others: Sequence[str], likeness: Likeness) -> list[float]:
    return [max((likeness(word, other) for other in others), default=0.0) for word in words]


def _rarest_third(side: _Side) -> float:
    """Return how far the words that say most beyond the question are found: the weightiest third of them."""
    new = side.new()
    first = sorted(range(len(new)), key=lambda n: -new[n])[: max(1, len(new) // 3)]
    return _mean([side.found[n] for n in first], [new[n] for n in first])


def _rarity(word: str) -> float:
    return math.log(max(3, _RANKS.get(word, _RARE_RANK)))


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    total = sum(weights)
    return (
        sum(value * weight for value, weight in zip(values, weights, strict=True)) / total if total else 0.0
    )
