"""Finds the terms that could stand in another one's place: wrong options to choose from."""

import re
from collections.abc import Mapping, Sequence

from chalicelib.model.practice.terms import INFLECTED, Term
from chalicelib.model.practice.wording import stem_of

DISTRACTORS = 3
# Cosine from which two terms may mean the same, so that both would be right. Two names that are alike mostly name two
# things: Monday and Tuesday have 0.76, Britain and United Kingdom 0.78, Islamic and Muslim 0.85.
SYNONYM, SAME_NAME = 0.53, 0.77
UNRELATED, OTHER_NAME = 0.42, 0.6  # cosine below which a word, or a name, is not plausible


def distractors_of(
    key: Term, sentence: str, pool: Sequence[Sequence[Term]], vectors: Mapping[str, Sequence[float]]
) -> list[str]:
    """Return three terms of the key's shape from other sentences, or none: its nearest neighbours by their vectors.

    A term that is so near that it may mean the same is left out. Without vectors those of the most similar length come
    first. Those of a number are numbers near it, up to three. Fewer than three words are hardly ever plausible.
    """
    if key.kind == "number":
        return _numbers_near(key.text, sentence)
    if key.kind == "word" and key.language in INFLECTED:
        return []  # the nouns that fit by their form are hardly ever plausible
    taken = {stem_of(word) for word in re.findall(r"[^\W_]+", sentence.lower())}
    found: dict[str, str] = {}
    for term in (term for terms in pool for term in terms):
        stems = {stem_of(word) for word in re.findall(r"[^\W_]+", term.text.lower())}
        if term.shape == key.shape and not stems & taken and not _share_beginning(term.text, key.text):
            found.setdefault(" ".join(sorted(stems)), term.text)
    bound = synonym_bound(key.text)
    near = {text: likeness(key.text, text, vectors) for text in found.values()}
    least = OTHER_NAME if key.kind == "name" else UNRELATED
    possible = [text for text, cosine in near.items() if cosine is None or least <= cosine < bound]
    ranked = sorted(possible, key=lambda text: (-(near[text] or 0.0), abs(len(text) - len(key.text)), text))
    chosen: list[str] = []
    for text in ranked:
        if not any(_share_beginning(text, other) for other in chosen):
            chosen.append(text)
    return chosen[:DISTRACTORS] if len(chosen) >= DISTRACTORS else []


def synonym_bound(key: str) -> float:
    """Return the cosine from which another term may mean the same as the key."""
    return SAME_NAME if key[:1].isupper() or key[:1].isdigit() else SYNONYM


def likeness(one: str, other: str, vectors: Mapping[str, Sequence[float]]) -> float | None:
    """Return the cosine of two terms, None without the vector of either."""
    if one not in vectors or other not in vectors:
        return None
    return sum(a * b for a, b in zip(vectors[one], vectors[other], strict=True))


def _share_beginning(one: str, other: str) -> bool:
    a, b = one.lower(), other.lower()
    return a[:5] == b[:5] or stem_of(a) == stem_of(b) or a in b or b in a


def _numbers_near(key: str, sentence: str) -> list[str]:
    digits = key.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", key) else key
    if re.fullmatch(r"\d+[.,]\d{1,2}", key) and digits == key:
        return _decimals_near(key, sentence)
    if not digits.isdigit() or len(digits) > 7:
        return []
    value = int(digits)
    if value < 20 or 1000 < value < 2100:
        steps: tuple[int, ...] = (-1, 1, 2, -2, 3, 4)
    else:
        unit = 10 ** max(0, len(str(value)) - 2)
        steps = tuple(
            unit * round(value * share / unit) or unit for share in (-0.2, 0.2, 0.4, -0.4, 0.6, -0.6)
        )
    near = dict.fromkeys(
        f"{value + step:,}" if "," in key else str(value + step) for step in steps if value + step > 0
    )
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", sentence))
    shares = bool(re.search(rf"(?<!\d){re.escape(key)}\s?[%％]", sentence)) and value <= 100
    return [each for each in near if each not in numbers and not (shares and int(each) > 100)][:DISTRACTORS]


def _decimals_near(key: str, sentence: str) -> list[str]:
    mark = "." if "." in key else ","
    value, places = float(key.replace(",", ".")), len(key.split(mark)[1])
    near = (f"{value * share:.{places}f}".replace(".", mark) for share in (0.8, 1.25, 1.5, 0.6))
    numbers = {*re.findall(r"\d+(?:[.,]\d+)*", sentence)}
    return [each for each in dict.fromkeys(near) if each not in numbers][:DISTRACTORS]
