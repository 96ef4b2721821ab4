"""The steps of kind exercises: a few exercises a step, until there are as many as wished or no more."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import msgspec

from chalicelib.errors import NotFound
from chalicelib.model.jobs.kinds import ExercisesParameters
from chalicelib.model.jobs.runs import Outcome, Run, RunFile
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.practice.generate import generate_exercises
from chalicelib.ops.practice.sources import Sources
from chalicelib.ops.practice.wishes import Wanted
from chalicelib.providers import ChatModel, Embedder
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

AT_ONCE = 5  # exercises of one step
WRITE_S = 12.0  # of one step may pass while a model writes


def exercise_steps(
    *, db: "Database", models_of: Callable[[Claim, str], tuple[Embedder, ChatModel | None]]
) -> Steps:
    """Return the steps. `models_of` returns the models, metered for the run and the first exercise of a step."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        total = _parameters(run).count
        return lambda tx: runs.set_total(tx, claim.user_id, claim.run, total)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        if not may_begin:
            return lambda tx: Next(is_held=True)
        creation_id = str(
            uuid5(UUID(run.id), str(run.done))
        )  # a step that is taken again makes the same ones
        embedder, chat = models_of(claim, creation_id)
        end_at = monotonic() + WRITE_S
        try:
            made = generate_exercises(
                claim.user_id,
                creation_id,
                _wanted(run, count=min(AT_ONCE, run.remaining)),
                db=db,
                embedder=embedder,
                chat=chat,
                time_left_s=lambda: end_at - monotonic(),
            ).exercises
        except NotFound as error:
            gone = error
            return lambda tx: _end(tx, claim, run, gone)
        lines = [
            RunFile(number=run.done + n, name=each.id, item_id=each.item_id or None, outcome="done")
            for n, each in enumerate(made, 1)
        ]
        return lambda tx: _go_on(tx, claim, run, lines)

    return Steps(validate=validate, step=step)


def _go_on(tx: Tx, claim: Claim, run: Run, lines: list[RunFile]) -> Next:
    files.insert(tx, claim.user_id, claim.run, lines)
    runs.add_counts(tx, claim.user_id, claim.run, done=len(lines))
    return Next(is_over=len(lines) == run.remaining)


def _end(tx: Tx, claim: Claim, run: Run, error: NotFound) -> Next:
    """End a run that finds no more: what is missing failed if nothing was made, and is skipped otherwise."""
    outcome: Outcome = "skipped" if run.done else "failed"
    lines = [
        RunFile(number=number, name="", outcome=outcome, code=error.code, message=error.message)
        for number in range(run.done + 1, run.total + 1)
    ]
    files.insert(tx, claim.user_id, claim.run, lines)
    if outcome == "skipped":
        runs.add_counts(tx, claim.user_id, claim.run, skipped=len(lines))
    else:
        runs.add_counts(tx, claim.user_id, claim.run, failed=len(lines))
    return Next(is_over=True)


def _parameters(run: Run) -> ExercisesParameters:
    return msgspec.convert(run.parameters, ExercisesParameters)


def _wanted(run: Run, *, count: int) -> Wanted:
    """Return the request of one step. Each step's is different, so that the cache has no exercises for it."""
    given = _parameters(run)
    has_pages = given.first_page is not None or given.last_page is not None
    pages = (given.first_page or 1, given.last_page or 1_000_000) if has_pages else None
    return Wanted(
        concept_id=given.concept_id or "",
        student_id=given.student_id,
        interests=given.student_interests,
        life_category=given.life_category,
        difficulty=given.difficulty,
        kind=given.kind,
        language=given.language,
        count=count,
        step=f"{run.id} {run.done}",
        sources=Sources(
            item_ids=given.item_ids,
            collection_id=run.collection_id,
            pages=pages,
            text=given.text,
            title=given.title if given.text else "",
        ),
    )
