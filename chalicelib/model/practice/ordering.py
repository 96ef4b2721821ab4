"""Drafts exercises from numbered lists: their steps are to be put in order."""

import random
import re
from collections.abc import Iterator
from functools import cache

from chalicelib.model.practice.asking import ask
from chalicelib.model.practice.exercises import Draft, Excerpt
from chalicelib.model.search.language import language_of

MIN_STEPS, MAX_STEPS, MAX_STEP_CHARS = 3, 8, 200


def ordered_drafts(excerpt: Excerpt, *, language: str | None, seed: str) -> Iterator[Draft]:
    """Yield a draft for each numbered list of the excerpt. A step may go on in the lines below it."""
    chance = random.Random(seed)  # noqa: S311 - it only shuffles
    run: list[str] = []
    quoted: list[str] = []
    for line in [*excerpt.text.splitlines(), "."]:
        match = _step().match(line)
        number = int(match[1] or match[2]) if match else 0
        if match and number == len(run) + 1:
            run.append(match[3].strip())
            quoted.append(line)
            continue
        if run and not match and line[:1].isspace() and line.strip() and len(run[-1]) < MAX_STEP_CHARS:
            run[-1] += f" {line.strip()}"
            quoted.append(line)
            continue
        if MIN_STEPS <= len(run) <= MAX_STEPS and all(map(_is_step, run)):
            yield _ordered(run, quoted, excerpt, chance, language or language_of(" ".join(run)))
        run, quoted = ([match[3].strip()], [line]) if match and number == 1 else ([], [])


def _ordered(
    run: list[str], quoted: list[str], excerpt: Excerpt, chance: random.Random, language: str | None
) -> Draft:
    shown = run[:]
    while shown == run and len(set(run)) > 1:
        chance.shuffle(shown)
    return Draft(
        kind="ordered_steps",
        question=ask("order", language),
        key="\n".join(run),
        options=tuple(shown),
        quote="\n".join(quoted),
        excerpt=excerpt,
        language=language,
    )


def _is_step(text: str) -> bool:
    """Return whether a line of a numbered list is a step, and not a line of a contents list or a reference."""
    return (
        len(text.split()) >= 2
        and len(text) <= MAX_STEP_CHARS
        and not re.search(r"\.{4,}|\.\s?\.\s?\.|\d$|\(\d{4}\)", text)
        and sum(char.isalpha() for char in text) >= 0.6 * len(text)
    )


@cache
def _step() -> re.Pattern[str]:
    return re.compile(
        r"^\s*(?:\(?(\d{1,2})[.)]|(?:step|schritt|étape|paso|шаг) (\d{1,2})[.:])\s+(\S.*)$", re.IGNORECASE
    )
