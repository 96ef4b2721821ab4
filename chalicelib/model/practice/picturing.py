"""Drafts questions about images without a chat model: a word of the text in the picture, or a label of the picture."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence

from chalicelib.model.practice.asking import ask
from chalicelib.model.practice.distractors import DISTRACTORS, SYNONYM, likeness
from chalicelib.model.practice.exercises import GAP, Draft, Excerpt
from chalicelib.model.practice.wording import read_words
from chalicelib.model.search.language import language_of

MIN_LINE_WORDS, MAX_LINE_WORDS = 3, 20  # of a line of the picture's text that is asked about
MIN_KEY_CHARS = 4
# Kinds of pictures and colours: a picture may show more of them than its labels say.
_VAGUE_WORDS = """
    photograph photo picture image drawing screenshot document invoice receipt letter chart map dark bright
    blurred black white grey gray red green blue yellow orange brown purple pink beige black-and-white
"""
_VAGUE = frozenset(_VAGUE_WORDS.split())


def picture_drafts(
    excerpts: Sequence[Excerpt],
    *,
    labels: Mapping[str, Sequence[str]],
    vectors: Mapping[str, Sequence[float]],
    language: str | None,
    seed: str,
) -> Iterator[Draft]:
    """Yield drafts about the images among the excerpts. `labels` are those of all images, by item."""
    chance = random.Random(f"{seed}image")  # noqa: S311 - it only shuffles
    for excerpt in excerpts:
        if excerpt.labels and excerpt.source == "ocr":
            yield from _of_text(excerpt, language)
        elif excerpt.labels and excerpt.source == "caption":
            yield from _of_labels(excerpt, labels, vectors, language, chance)


def labels_to_embed(excerpts: Sequence[Excerpt], labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the labels that are asked for, and those that may be wrong options."""
    asked = (label for excerpt in excerpts for label in excerpt.labels)
    every = (label for each in labels.values() for label in each)
    return list(dict.fromkeys(label for label in (*asked, *every) if not _is_vague(label)))


def _of_text(excerpt: Excerpt, language: str | None) -> Iterator[Draft]:
    for line in excerpt.text.splitlines():
        words = line.split()
        if not MIN_LINE_WORDS <= len(words) <= MAX_LINE_WORDS:
            continue
        keys = re.findall(r"(?<!\S)(?:[^\W\d_]+|\d+(?:[.,]\d+)*)(?=[.,;:!?]?(?:\s|$))", line)
        keys = [key for key in keys if len(key) >= MIN_KEY_CHARS and read_words(key) and line.count(key) == 1]
        if keys:
            key = max(keys, key=lambda word: (word[0].isupper() or word[0].isdigit(), len(word)))
            yield Draft(
                kind="image_question",
                question=ask(
                    "picture_text", language or language_of(excerpt.text), line.replace(key, GAP).strip()
                ),
                key=key,
                quote=line,
                excerpt=excerpt,
                language=language or language_of(excerpt.text),
            )


def _of_labels(
    excerpt: Excerpt,
    labels: Mapping[str, Sequence[str]],
    vectors: Mapping[str, Sequence[float]],
    language: str | None,
    chance: random.Random,
) -> Iterator[Draft]:
    shown = {word.stem for word in read_words(f"{excerpt.text} {' '.join(excerpt.labels)}")}
    others = dict.fromkeys(
        label for item, each in labels.items() if item != excerpt.item_id for label in each
    )
    for key in excerpt.labels:
        if _is_vague(key):
            continue
        near = {other: likeness(key, other, vectors) or 0.0 for other in others if not _is_vague(other)}
        wrong = [
            other
            for other in sorted(near, key=lambda other: -near[other])
            if near[other] < SYNONYM and not {word.stem for word in read_words(other)} & shown
        ]
        options = [key, *wrong[:DISTRACTORS]]
        chance.shuffle(options)
        yield Draft(
            kind="image_question",
            question=ask("picture_label", language),
            key=key,
            options=tuple(options),
            likeness=tuple(1.0 if option == key else near[option] for option in options),
            quote=excerpt.text,
            excerpt=excerpt,
            language=language,
        )


def _is_vague(label: str) -> bool:
    return len(label) < MIN_KEY_CHARS or all(word in _VAGUE for word in label.lower().split())
