"""Have a chat model write drafts of exercises. What it writes is only material: the gate decides.

The model gets the wish and the passages as one JSON object, and its answer must fit a schema. What the gate refuses is
asked for again, with the reasons, a bounded number of times; then the caller goes on without a model.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.errors import BudgetSpent, ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.model.practice.distractors import likeness
from chalicelib.model.practice.exercises import Draft, Excerpt, Kind, Seen
from chalicelib.model.search.language import language_of
from chalicelib.model.text import UNSTORABLE
from chalicelib.ops.practice.choose import Chosen, Embed
from chalicelib.ops.practice.wishes import Wish
from chalicelib.providers import ChatModel

ROUNDS = 2
ROUND_LEAST_S = 5.0  # the model is not asked with less time than this
PROMPT_CHARS = 12_000  # of passages
DRAFT_TOKENS = 400  # of an exercise
MAX_QUESTION_CHARS, MAX_KEY_CHARS, MAX_OPTION_CHARS, MAX_OPTIONS = 600, 600, 200, 5
WRITTEN_KINDS = ("multiple_choice", "cloze", "short_answer", "ordered_steps")


class Written(Struct, frozen=True, kw_only=True):
    """An exercise as the model wrote it. `answer` has a line for each step of ordered steps."""

    kind: str
    passage: int
    quote: str
    question: str
    answer: str
    wrong_options: tuple[str, ...]


class _Answer(Struct, frozen=True, kw_only=True):
    exercises: tuple[Written, ...]


def write_drafts(
    wish: Wish,
    excerpts: Sequence[Excerpt],
    *,
    chosen: Chosen,
    others: Sequence[Seen],
    chat: ChatModel,
    embed: Embed,
    time_left_s: Callable[[], float],
    seed: str,
) -> None:
    """Add the model's drafts to the chosen ones. Without an answer that fits, in time and budget, nothing is added."""
    kinds = [kind for kind in wish.kinds if kind in WRITTEN_KINDS]
    shown = list(_within(excerpts))
    for _ in range(ROUNDS):
        missing = wish.count - len(chosen.drafts)
        if missing <= 0 or not kinds or time_left_s() < ROUND_LEAST_S:
            return
        try:
            answer = chat.complete(
                prompts.WRITING_EXERCISES,
                _prompt(wish, kinds, shown, missing, chosen, others),
                schema=prompts.EXERCISES,
                max_tokens=DRAFT_TOKENS * (missing + 1),
                timeout_s=time_left_s(),
            )
            written = msgspec.convert(answer.value, _Answer).exercises
        except (BudgetSpent, ModelRefused, Unavailable, msgspec.ValidationError, RecursionError):
            return
        for each in written[: 2 * missing]:
            draft = _draft(each, shown, kinds, embed, writer=f"{answer.provider}/{answer.model}", seed=seed)
            if draft is None:
                chosen.refused["malformed"] += 1
            elif len(chosen.drafts) < wish.count:
                chosen.consider(draft, others)


def _prompt(
    wish: Wish,
    kinds: Sequence[Kind],
    excerpts: Sequence[Excerpt],
    missing: int,
    chosen: Chosen,
    others: Sequence[Seen],
) -> str:
    """Return the prompt as JSON: a text cannot end its own string and pass for another part."""
    known = [draft.question for draft in chosen.drafts] + [other.question for other in others[:20]]
    asked: dict[str, Any] = {
        "count": missing,
        "kinds": kinds,
        "difficulty": wish.wanted.difficulty,
        "concept": wish.phrase,
        "interests": wish.wanted.interests,
        "language": wish.wanted.language or "",
        "known_questions": known,
        "refused_before": dict(chosen.refused),
        "passages": [
            {"number": number, "name": each.item_name, "page": each.page, "text": each.text}
            for number, each in enumerate(excerpts, 1)
        ],
    }
    return json.dumps(asked, ensure_ascii=False)


def _within(excerpts: Sequence[Excerpt]) -> list[Excerpt]:
    kept, room = list[Excerpt](), PROMPT_CHARS
    for excerpt in excerpts:
        if len(excerpt.text) <= room:
            room -= len(excerpt.text)
            kept.append(excerpt)
    return kept or [msgspec.structs.replace(excerpts[0], text=excerpts[0].text[:PROMPT_CHARS])]


def _draft(
    written: Written,
    excerpts: Sequence[Excerpt],
    kinds: Sequence[Kind],
    embed: Embed,
    *,
    writer: str,
    seed: str,
) -> Draft | None:
    """Return what was written as a draft, None if a part of it is missing, too long or of another kind."""
    question, key = _clean(written.question), _clean(written.answer)
    kind = next((kind for kind in kinds if kind == written.kind), None)
    wrong = [_clean(option) for option in written.wrong_options]
    fits = (
        kind is not None
        and 0 < written.passage <= len(excerpts)
        and 0 < len(question) <= MAX_QUESTION_CHARS
        and 0 < len(key) <= MAX_KEY_CHARS
        and all(0 < len(option) <= MAX_OPTION_CHARS for option in wrong)
        and len(wrong) <= MAX_OPTIONS
    )
    if kind is None or not fits:
        return None
    options, near = _options(kind, key, wrong, embed, seed=f"{seed}{question}")
    return Draft(
        kind=kind,
        question=question,
        key=key,
        options=options,
        likeness=near,
        quote=written.quote,
        excerpt=excerpts[written.passage - 1],
        language=language_of(question),
        writer=writer,
    )


def _options(
    kind: Kind, key: str, wrong: Sequence[str], embed: Embed, *, seed: str
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return what is shown to choose from, in an order by chance, and the likeness of each to the key."""
    if kind not in ("multiple_choice", "ordered_steps"):
        return (), ()
    steps = key.split("\n")
    options = [key, *wrong] if kind == "multiple_choice" else steps[:]
    chance = random.Random(seed)  # noqa: S311 - it only shuffles
    chance.shuffle(options)
    if kind == "ordered_steps":
        return tuple(options if options != steps else options[::-1]), ()
    vectors = embed(options)
    return tuple(options), tuple(likeness(key, option, vectors) or 0.0 for option in options)


def _clean(text: str) -> str:
    lines = (" ".join(line.split()) for line in UNSTORABLE.sub("", text).splitlines())
    return "\n".join(line for line in lines if line)
