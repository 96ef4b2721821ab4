"""Change what an exercise asks. A change passes the gate like any draft."""

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.model.practice.exercises import GAP, Draft, StoredExercise
from chalicelib.model.practice.gate import LEAST_OPTIONS, LENGTHS_APART, Reason, find_fault
from chalicelib.model.practice.hints import hints_of
from chalicelib.ops.practice.sources import read_source
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_COMPARED = 500
# What is wrong with a change and what to do, by the gate's reason: the field at fault, and a sentence.
MENDS: dict[Reason, tuple[str, str]] = {
    "quote_not_found": ("question", "The source no longer has the quoted sentence: generate a new exercise."),
    "key_not_in_quote": ("key", "The quoted sentence does not say this key: take the key from its words."),
    "key_shown": ("question", "The question shows the key: take its words out of the question."),
    "not_one_key": (
        "question",
        f"It must have one gap ({GAP}), one right option, or the steps of its key as options.",
    ),
    "distractor_is_right": ("options", "A wrong option is right too, by the page: take another one."),
    "distractor_of_other_type": (
        "options",
        "All options must be numbers, or names, or words of the key's form.",
    ),
    "too_few_distractors": ("options", f"A multiple choice has at least {LEAST_OPTIONS} options: add some."),
    "giveaway_by_length": (
        "options",
        f"The key may be {LENGTHS_APART:g} times as long or short as an option at most.",
    ),
    "giveaway_by_grammar": (
        "options",
        "The word in front of the gap fits some options only: change the others.",
    ),
    "near_duplicate": ("question", "Another exercise asks the same: ask something else, or delete this one."),
    "says_too_little": (
        "question",
        "Whoever sees the question alone must know what it is about: use words of the page.",
    ),
    "says_more": ("question", "A number or an address is not on the page: take it out."),
}


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
        raise _refused(fault, changes)
    hints = hints_of(draft) if changes.hints is None else list(changes.hints)
    if any(draft.key.casefold() in hint.casefold() for hint in hints):
        raise InvalidInput(
            "A hint must not have the whole key in it: give a part of it.", code="refused", field="hints"
        )
    exercises.rewrite(
        tx,
        user_id,
        exercise.id,
        question=draft.question,
        answer_key=draft.key,
        options=list(options),
        hints=hints,
    )


def _refused(reason: Reason, changes: Changes) -> InvalidInput:
    """Return the error that names what was changed, the reason's own field if it was, and what to do."""
    field, mend = MENDS[reason]
    changed = [name for name in ("key", "question", "options") if getattr(changes, name) is not None]
    if field not in changed:
        field = changed[0] if changed else field
    return InvalidInput(f"{mend} Nothing is changed ({reason}).", code="refused", field=field)
