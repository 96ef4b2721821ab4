"""Compares a learner's answer with the reference answer and the question: the numbers that grading.py weighs."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from operator import mul

from msgspec import Struct

from chalicelib.model.practice.grading_stance import TOKEN, agreement, choice, denies
from chalicelib.model.practice.word_alignment import Likeness, align
from chalicelib.model.practice.wording import OPPOSITES, Word, match_of, read_words

Vector = Sequence[float]
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_GRAM = 4


class Cosines(Struct, frozen=True, kw_only=True):
    """Cosines of the vectors of the answer, the reference and the question, two by two."""

    answer_reference: float
    answer_question: float
    reference_question: float


class Similarity(Struct, frozen=True, kw_only=True):
    """The likeness of the texts to each of the two models that the embedder has side by side, and of their words."""

    models: tuple[Cosines, Cosines]
    likeness: Likeness


def cosines_of(question: Vector, reference: Vector, answer: Vector) -> tuple[Cosines, Cosines]:
    """Return the cosines of each half of the vectors."""
    middle = len(question) // 2
    first, second = (
        Cosines(
            answer_reference=_cosine(answer[half], reference[half]),
            answer_question=_cosine(answer[half], question[half]),
            reference_question=_cosine(reference[half], question[half]),
        )
        for half in (slice(middle), slice(middle, None))
    )
    return first, second


def _cosine(one: Vector, other: Vector) -> float:
    size = math.sqrt(sum(map(mul, one, one)) * sum(map(mul, other, other)))
    return sum(map(mul, one, other)) / size if size else 0.0


class Compared(Struct, frozen=True, kw_only=True):
    """An answer beside its reference and question. `matched` has the reference's stem of each of the answer's stems."""

    answer: list[Word]
    reference: list[Word]
    asked: frozenset[str]
    matched: dict[str, str]

    def shares(self, *, new: bool) -> tuple[float, float]:
        """Return the share of the reference's words that the answer has, and of the answer's that the reference has.

        `new`: of the words that the question does not have. Without any the shares are those of all words.
        """
        said = {word.stem for word in self.answer}
        wanted = {word.stem for word in self.reference}
        if new:
            said, wanted = said - self.asked, wanted - self.asked or wanted
        found = {self.matched[stem] for stem in said if stem in self.matched} & wanted
        right = sum(stem in self.matched and self.matched[stem] in wanted for stem in said)
        return len(found) / max(1, len(wanted)), right / max(1, len(said))

    def reached(self, *, new: bool) -> float:
        """Return the share of the reference's words that the answer has, or has the opposite of.

        `new`: of the words that the question does not have, if there are such.
        """
        said = {word.stem for word in self.answer}
        wanted = {word.stem for word in self.reference}
        if new:
            wanted = wanted - self.asked or wanted
        found = {self.matched[stem] for stem in said if stem in self.matched} & wanted
        turned = {stem for stem in wanted - found if OPPOSITES.get(stem, set()) & said}
        return len(found | turned) / max(1, len(wanted))


def compare(question: str, reference: str, answer: str) -> Compared:
    """Return the words of the three texts and which of the answer's and the reference's are equal."""
    said, wanted = read_words(answer), read_words(reference)
    asked = {word.stem for word in read_words(question)}
    stems = {word.stem for word in wanted}
    matched = {stem: hit for stem in {word.stem for word in said} if (hit := match_of(stem, stems))}
    return Compared(answer=said, reference=wanted, asked=frozenset(asked), matched=matched)


def features_of(
    question: str, reference: str, answer: str, similarity: Similarity | None
) -> dict[str, float]:
    """Return the features by name; those of the vectors only with a similarity."""
    both = compare(question, reference, answer)
    recall, precision = both.shares(new=False)
    new_recall, new_precision = both.shares(new=True)
    facts = facts_covered(question, reference, answer)
    words = len(both.answer)
    stands = agreement(question, reference, answer)
    found = {
        "recall": recall,
        "precision": precision,
        "new_recall": new_recall,
        "new_precision": new_precision,
        "new_f1": _f1(new_recall, new_precision),
        "f1": _f1(recall, precision),
        "grams": _gram_share(reference, answer),
        "new_grams": _new_gram_share(both),
        "order": _order(both),
        "pairs": _pairs(both),
        "least_fact": min(facts, default=0.0),
        "best_fact": max(facts, default=0.0),
        "denial": _denied_share(both),
        "denies": float(denies(answer) != denies(reference)),
        "opposites": float(min(2, _opposed(both))),
        "lost_numbers": _lost_numbers(both),
        "odd_numbers": _odd_numbers(both),
        "choice": choice(reference, answer),
        "agrees": max(0.0, stands),
        "disagrees": max(0.0, -stands),
        "length": math.log1p(words),
        "relative_length": math.log((words + 1) / (len(both.reference) + 1)),
        "reference_length": math.log1p(len(both.reference)),
        "only_question": _asked_share(both),
        "reference_new": _new_share(both),
        "empty": float(words == 0),
    }
    if similarity is not None:
        for name, of in zip(("english", "any"), similarity.models, strict=True):
            found |= {
                f"cosine_{name}": of.answer_reference,
                f"cosine_question_{name}": of.answer_question,
                f"cosine_known_{name}": of.reference_question,
                f"cosine_new_{name}": of.answer_reference - of.answer_question * of.reference_question,
            }
        found |= align(question, reference, answer, similarity.likeness)
    return found


def facts_of(reference: str) -> list[str]:
    """Return the facts that a reference answer is made of: its sentences."""
    return [part.strip() for part in _SENTENCE.split(reference) if part.strip()]


def facts_covered(question: str, reference: str, answer: str) -> list[float]:
    """Return, for each fact of the reference, the share of its words that the answer has, 0..1.

    Words of the question count a third: an answer may leave them out, and may repeat them without knowing anything.
    """
    return [_covered(compare(question, fact, answer)) for fact in facts_of(reference)]


def contradicts(both: Compared) -> bool:
    """Return whether the answer denies a word of the reference, says its opposite, or has only other numbers."""
    denied = _denied_share(both) >= 0.5
    other_numbers = _lost_numbers(both) == 1 and _odd_numbers(both) > 0
    return denied or is_opposed(both) or other_numbers


def is_opposed(both: Compared) -> bool:
    """Return whether the answer has the opposite of a word of the reference, and not the word."""
    return _opposed(both) > 0


def _covered(both: Compared) -> float:
    found = set(both.matched.values())
    weights = {word.stem: 1 / 3 if word.stem in both.asked else 1.0 for word in both.reference}
    total = sum(weights.values())
    return sum(weight for stem, weight in weights.items() if stem in found) / total if total else 0.0


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _grams(text: str) -> set[str]:
    padded = f" {' '.join(TOKEN.findall(text.lower()))} "
    return {padded[n : n + _GRAM] for n in range(len(padded) - _GRAM + 1)}


def _gram_share(reference: str, answer: str) -> float:
    wanted, said = _grams(reference), _grams(answer)
    return 2 * len(wanted & said) / max(1, len(wanted) + len(said))


def _new_gram_share(both: Compared) -> float:
    wanted = " ".join(word.stem for word in both.reference if word.stem not in both.asked)
    said = " ".join(word.stem for word in both.answer if word.stem not in both.asked)
    return _gram_share(wanted, said)


def _places(both: Compared) -> list[int]:
    """Return the places in the reference of the answer's words, in the answer's order, each once."""
    at: dict[str, int] = {}
    for n, word in enumerate(both.reference):
        at.setdefault(word.stem, n)
    return list(
        dict.fromkeys(at[both.matched[word.stem]] for word in both.answer if word.stem in both.matched)
    )


def _order(both: Compared) -> float:
    """Return the share of pairs of shared words that stand in the reference's order; 0.5 for less than two words."""
    places = _places(both)
    pairs = [(a, b) for n, a in enumerate(places) for b in places[n + 1 :]]
    return sum(a < b for a, b in pairs) / len(pairs) if pairs else 0.5


def _pairs(both: Compared) -> float:
    """Return the share of neighbouring words of the reference that the answer has as neighbours too."""
    wanted = {(a.stem, b.stem) for a, b in pairwise(both.reference)}
    stems = [both.matched.get(word.stem, word.stem) for word in both.answer]
    return len(wanted & set(pairwise(stems))) / max(1, len(wanted))


def _denied_share(both: Compared) -> float:
    """Return the share of the shared words that only one side denies."""
    wanted: dict[str, set[bool]] = {}
    for word in both.reference:
        wanted.setdefault(word.stem, set()).add(word.is_denied)
    shared = [
        (word.is_denied, wanted[both.matched[word.stem]]) for word in both.answer if word.stem in both.matched
    ]
    return sum(denied not in known for denied, known in shared) / len(shared) if shared else 0.0


def _opposed(both: Compared) -> int:
    """Return how many words of the answer have their opposite in the reference, and are not there themselves."""
    said = {word.stem for word in both.answer}
    wanted = {word.stem for word in both.reference}
    return sum(bool(OPPOSITES.get(stem, set()) & (wanted - said)) for stem in said - wanted)


def _numbers(words: Sequence[Word]) -> set[str]:
    return {word.stem for word in words if word.stem[0].isdigit()}


def _lost_numbers(both: Compared) -> float:
    wanted = _numbers(both.reference)
    return len(wanted - _numbers(both.answer)) / len(wanted) if wanted else 0.0


def _odd_numbers(both: Compared) -> float:
    said = _numbers(both.answer)
    return len(said - _numbers(both.reference) - both.asked) / len(said) if said else 0.0


def _asked_share(both: Compared) -> float:
    said = {word.stem for word in both.answer}
    return len(said & both.asked) / len(said) if said else 1.0


def _new_share(both: Compared) -> float:
    wanted = {word.stem for word in both.reference}
    return len(wanted - both.asked) / len(wanted) if wanted else 0.0
