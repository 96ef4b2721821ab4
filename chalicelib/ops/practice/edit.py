"""Change what an exercise asks. A change passes the gate like any draft."""

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.model.practice.exercises import Draft, StoredExercise
from chalicelib.model.practice.gate import find_fault
from chalicelib.model.practice.hints import hints_of
from chalicelib.ops.practice.sources import read_source
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_COMPARED = 500


class Changes(Struct, frozen=True, kw_only=True):
    """The changes of an exercise; None leaves a part as it is. `report` and `retire` need no check."""

    question: str | None = None
    key: str | None = None
    options: tuple[str, ...] | None = None
    hints: tuple[str, ...] | None = None
    report: str | None = None
    retire: bool = False

    @property
    def rewrites(self) -> bool:
        return any(part is not None for part in (self.question, self.key, self.options, self.hints))


def change_exercise(user_id: str, exercise_id: str, changes: Changes, *, db: "Database") -> StoredExercise:
    """Change the exercise, note what is wrong with it, or retire it; return it.

    Raise NotFound; InvalidInput, coded "refused", when the gate refuses the change; Conflict, coded "stale", when the
    source of what is to be changed has changed.
    """

    def change(tx: Tx) -> StoredExercise:
        exercise = exercises.get(tx, user_id, exercise_id)
        if changes.rewrites:
            _rewrite(tx, user_id, exercise, changes)
        exercises.update(tx, user_id, exercise_id, report=changes.report, retire=changes.retire)
        return exercises.get(tx, user_id, exercise_id)

    return db.transact(user_id, change)


def _rewrite(tx: Tx, user_id: str, exercise: StoredExercise, changes: Changes) -> None:
    if exercise.stale:
        raise Conflict(
            "The source of this exercise has changed, so that nothing proves its key: generate a new one.",
            code="stale",
        )
    options = tuple(exercise.options) if changes.options is None else changes.options
    draft = Draft(
        kind=exercise.kind,
        question=changes.question or exercise.question,
        key=changes.key or exercise.answer_key,
        options=options,
        quote=exercise.quote,
        excerpt=read_source(tx, user_id, exercise),
        language=exercise.language,
        writer="user",
    )
    others = exercises.list_seen(
        tx, user_id, item_ids=[exercise.item_id], phrase=exercise.concept, limit=MAX_COMPARED, but=exercise.id
    )
    fault = find_fault(draft, others=others)
    if fault is not None:
        raise InvalidInput(
            f"The exercise would have a fault: {fault}. docs/exercises.md says what it means. Nothing is changed.",
            code="refused",
            field="key" if "key" in fault else "options" if "distractor" in fault else "question",
        )
    hints = hints_of(draft) if changes.hints is None else list(changes.hints)
    if any(draft.key.casefold() in hint.casefold() for hint in hints):
        raise InvalidInput("A hint must not have the whole key in it.", code="refused", field="hints")
    exercises.rewrite(
        tx,
        user_id,
        exercise.id,
        question=draft.question,
        answer_key=draft.key,
        options=list(options),
        hints=hints,
    )
