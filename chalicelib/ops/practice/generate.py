"""Generate exercises from the caller's own texts, each with the quote that proves its key."""

import json
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from msgspec import Struct

from chalicelib.errors import BudgetSpent, InvalidInput, NotFound, Unavailable
from chalicelib.model.chat.citations import Source
from chalicelib.model.ids import is_uuid
from chalicelib.model.practice.exercises import (
    MASTERED,
    Draft,
    Excerpt,
    NewExercise,
    Seen,
    StoredExercise,
    Type,
)
from chalicelib.model.practice.hints import hints_of, personalization_of
from chalicelib.ops.practice.choose import Chosen, Embed, Vectors, choose_keyless
from chalicelib.ops.practice.sources import GIVEN, REACH_CHARS, find_excerpts, read_labels
from chalicelib.ops.practice.wishes import Wanted, Wish
from chalicelib.ops.practice.write import write_drafts
from chalicelib.providers import ChatModel, Embedder
from chalicelib.stores.accounts import users
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import concepts, evaluations, exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_COMPARED = 500  # earlier exercises that a new one must differ from
MAX_PHRASE_CHARS = 200
EMBED_TIMEOUT_S = 10.0


class Generated(Struct, frozen=True, kw_only=True):
    """Exercises, at least one. The first `cached` of them were made for the same request within the last 24 hours.

    `refused` counts, by reason, the drafts that the gate refused on the way to the new ones.
    """

    exercises: list[StoredExercise]
    cached: int
    refused: dict[str, int]


class _Known(Struct, frozen=True, kw_only=True):
    """Facts known before an exercise is made. `phrase` names the concept, "" for none."""

    phrase: str
    type: Type
    cached: list[StoredExercise]


def generate_exercises(
    user_id: str,
    creation_id: str,
    wanted: Wanted,
    *,
    db: "Database",
    embedder: Embedder,
    chat: ChatModel | None = None,
    time_left_s: Callable[[], float] = lambda: inf,
) -> Generated:
    """Return exercises that pass the gate, at most `wanted.count`; those that this request got within 24 hours first.

    With `chat` it writes them; what it leaves is made without it.

    Raise NotFound: for an item, collection or exercise that does not exist; coded "nothing_found" when the texts have
    nothing about the concept; coded "no_exercise" when no draft passes the gate.
    """
    known = db.transact(user_id, lambda tx: _read(tx, user_id, wanted))
    missing = wanted.count - len(known.cached)
    if missing <= 0:
        return Generated(exercises=known.cached, cached=len(known.cached), refused={})
    excerpts = find_excerpts(
        user_id,
        wanted.sources,
        known.phrase,
        seed=creation_id,
        is_many=wanted.count > 1,
        db=db,
        embedder=embedder,
    )
    seen = db.transact(user_id, lambda tx: _list_seen(tx, user_id, excerpts, known.phrase))
    wish = Wish(
        wanted=wanted,
        phrase=known.phrase,
        count=missing,
        labels=read_labels(user_id, excerpts, db=db),
    )
    chosen, embed = Chosen(), embed_with(embedder)
    if chat is not None:
        write_drafts(
            wish,
            excerpts,
            chosen=chosen,
            others=seen,
            chat=chat,
            embed=embed,
            time_left_s=time_left_s,
            seed=creation_id,
        )
    choose_keyless(wish, excerpts, chosen=chosen, others=seen, embed=embed, seed=creation_id)
    if not chosen.drafts and not known.cached:
        raise _none_passed(chosen)

    def store(tx: Tx) -> list[StoredExercise]:
        users.ensure(tx, user_id)
        return [
            _store(tx, user_id, creation_id, n, wanted, known, draft, chosen.refused)
            for n, draft in enumerate(chosen.drafts)
        ]

    made = db.transact(user_id, store)
    return Generated(exercises=[*known.cached, *made], cached=len(known.cached), refused=dict(chosen.refused))


def embed_with(embedder: Embedder) -> Embed:
    """Return a function that returns the vectors of texts by text; none of them without the embedder.

    Each text is embedded once, however often it is asked for.
    """
    known = dict[str, Sequence[float]]()

    def embed(texts: Sequence[str]) -> Vectors:
        new = [text for text in texts if text not in known]
        try:
            if new:
                known.update(zip(new, embedder.embed(new, timeout_s=EMBED_TIMEOUT_S), strict=True))
        except (BudgetSpent, InvalidInput, Unavailable):
            return {}
        return {text: known[text] for text in texts}

    return embed


def _none_passed(chosen: Chosen) -> NotFound:
    counts = chosen.refused.most_common()
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts) or "nothing of this kind was found"
    return NotFound(
        f"No exercise about this passed the checks ({reasons}). Try another kind, or a concept with more text.",
        code="no_exercise",
        field="concept_id",
    )


def _read(tx: Tx, user_id: str, wanted: Wanted) -> _Known:
    concept = concepts.find(tx, user_id, wanted.concept_id) if is_uuid(wanted.concept_id) else None
    phrase = concept.phrase if concept else _checked(wanted.concept_id)
    sources = wanted.sources
    if sources.item_ids is not None:
        items.require_all(tx, user_id, sources.item_ids, field="item_ids")
    if sources.collection_id is not None:
        collections.get(tx, user_id, sources.collection_id, field="collection_id")
    return _Known(
        phrase=phrase,
        type=_type(tx, user_id, wanted.previous_exercise_id),
        cached=exercises.list_recent(tx, user_id, wanted.sha256, limit=wanted.count),
    )


def _checked(phrase: str) -> str:
    plain = " ".join(phrase.split())
    if plain and (not any(char.isalnum() for char in plain) or len(plain) > MAX_PHRASE_CHARS):
        raise InvalidInput(
            f"A concept is an id of GET /api/v1/concepts, or a phrase of 1 to {MAX_PHRASE_CHARS} characters with "
            "at least one letter or digit.",
            field="concept_id",
        )
    return plain


def _type(tx: Tx, user_id: str, previous_id: str | None) -> Type:
    """Return "advanced" after an exercise that was mastered, "practice" after another, else "initial"."""
    if previous_id is None:
        return "initial"
    exercises.get(tx, user_id, previous_id, field="previous_exercise_id")
    last = evaluations.list_page(tx, user_id, previous_id, after=None, limit=1)
    return "advanced" if last and last[0].score >= MASTERED else "practice"


def _list_seen(tx: Tx, user_id: str, excerpts: Sequence[Excerpt], phrase: str) -> list[Seen]:
    item_ids = sorted({excerpt.item_id for excerpt in excerpts})
    return exercises.list_seen(tx, user_id, item_ids=item_ids, phrase=phrase, limit=MAX_COMPARED)


def _store(
    tx: Tx,
    user_id: str,
    creation_id: str,
    n: int,
    wanted: Wanted,
    known: _Known,
    draft: Draft,
    refused: dict[str, int],
) -> StoredExercise:
    """Store the n-th exercise of a request. The refused drafts of them all are counted with the first one."""
    exercise_id = creation_id if n == 0 else str(uuid5(UUID(creation_id), str(n)))
    phrase = (known.phrase or draft.subject or draft.excerpt.item_name or draft.key)[:MAX_PHRASE_CHARS]
    concept = concepts.ensure(tx, user_id, exercise_id, phrase)
    row = _row(exercise_id, concept.id, wanted, known.type, draft, refused if n == 0 else {})
    exercises.insert(tx, user_id, row)
    return exercises.get(tx, user_id, exercise_id)


def _row(
    exercise_id: str,
    concept_id: str,
    wanted: Wanted,
    type_: Type,
    draft: Draft,
    rejected: dict[str, int],
) -> NewExercise:
    excerpt = draft.excerpt
    span = Source(excerpt.text).find(draft.quote)
    assert span is not None  # the gate has found it
    start, end = span
    passage = excerpt.text[max(0, start - REACH_CHARS) : end + REACH_CHARS]
    values: dict[str, Any] = {
        name: getattr(excerpt, name) for name in ("item_id", "item_name", "item_sha256", "source", "page")
    }
    return NewExercise(
        id=exercise_id,
        concept_id=concept_id,
        student_id=wanted.student_id,
        type=type_,
        kind=draft.kind,
        difficulty=wanted.difficulty,
        life_category=wanted.life_category,
        question=draft.question,
        answer_key=draft.key,
        options=list(draft.options),
        hints=hints_of(draft),
        personalization=personalization_of(draft, wanted.interests, wanted.life_category),
        quote=excerpt.text[start:end],
        page_start=excerpt.start + start,
        page_end=excerpt.start + end,
        previous_exercise_id=wanted.previous_exercise_id,
        request_sha256=wanted.sha256,
        rejected=json.dumps(rejected),
        passage=passage if excerpt.source == GIVEN else None,
        writer=draft.writer,
        language=draft.language,
        **values,
    )
