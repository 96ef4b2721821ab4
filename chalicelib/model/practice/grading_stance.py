"""Compares what a learner's answer and the reference choose, affirm or deny: a letter, yes or no, agreement."""

import re

from chalicelib.model.practice.wording import is_denial

TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CHOICE = re.compile(r"(?<![\w'’])(?:[A-Z](?![\w'’])|[Yy]es\b|[Nn]o\b(?=[,.;:!]|$| because| it))")
_YES_OR_NO = re.compile(r"\s*(?:is|are|can|could|do|does|did|will|would|should|was|has)\b", re.IGNORECASE)
_FIRST_CLAUSE = re.compile(r"[.,:;!?\n]|\b(?:but|because|so)\b")


def choice(reference: str, answer: str) -> float:
    """Return 1 if both begin with the same choice (yes, no, a capital letter), -1 with different ones, else 0."""
    wanted, said = _CHOICE.match(reference.strip()), _CHOICE.match(answer.strip())
    if not wanted or not said:
        return 0.0
    return 1.0 if wanted[0].lower() == said[0].lower() else -1.0


def agreement(question: str, reference: str, answer: str) -> float:
    """Return 1 if the answer says yes or no as the reference does, -1 if it says the other, 0 if one says neither.

    To a question for yes or no, the reference may do so by a sentence; an answer that does is worth half.
    """
    wanted, said = _stance(reference), _stance(answer)
    if not wanted and said and _YES_OR_NO.match(question.split(". ")[-1]):
        wanted = _first_denial(reference)
    return float(wanted * said if said else 0.5 * wanted * _first_denial(answer))


def _stance(text: str) -> int:
    """Return 1 for a text that begins with yes or agreement, -1 for no or disagreement, else 0."""
    words = TOKEN.findall(text.lower())[:6]
    first = words[0] if words else ""
    if first in ("yes", "yeah") or first in ("no", "nope"):
        return 1 if first[0] == "y" else -1
    if "agree" in words:
        return -1 if any(map(is_denial, words)) else 1
    return -1 if "disagree" in words else 0


def _first_denial(text: str) -> int:
    return -1 if denies(_FIRST_CLAUSE.split(text.strip())[0]) else 1


def denies(text: str) -> bool:
    return any(map(is_denial, TOKEN.findall(text.lower())))
