"""The steps of kind reembed: fill the next model's set, then compare it with the one in use."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidInput
from chalicelib.model.jobs.runs import Run
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.search.reembed import RESERVE_S, compare_sets, ensure_set_of, fill_set
from chalicelib.providers import Embedder
from chalicelib.stores.jobs import runs
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

FILL_S = 15.0  # of one step


def reembed_steps(*, db: "Database", embedder_of: Callable[[Claim], Embedder]) -> Steps:
    """Return the steps of kind reembed. `embedder_of` returns the models, metered for the run."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        _next_of(embedder_of(claim))
        return lambda tx: None

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        if not may_begin:
            return lambda tx: Next(is_held=True)
        embedder = embedder_of(claim)
        model = _next_of(embedder)
        set_id = db.transact(claim.user_id, lambda tx: ensure_set_of(tx, model))
        if "filled" not in run.progress:
            is_filled = fill_set(claim, set_id, db=db, model=model, time_left_s=_until(FILL_S + RESERVE_S))
            return lambda tx: _go_on(tx, claim, is_filled=is_filled)
        compared = compare_sets(
            set_id, db=db, embedder=embedder, model=model, time_left_s=_until(FILL_S + RESERVE_S)
        )
        return lambda tx: _end(tx, claim, compared)

    return Steps(validate=validate, step=step)


def _next_of(embedder: Embedder) -> Embedder:
    if embedder.next is None:
        raise InvalidInput(
            "No next model is configured: set NEXT_EMBEDDING_MODEL first.", code="no_next_embedder"
        )
    return embedder.next


def _until(seconds: float) -> Callable[[], float]:
    end_s = monotonic() + seconds
    return lambda: end_s - monotonic()


def _go_on(tx: Tx, claim: Claim, *, is_filled: bool) -> Next:
    if is_filled:
        runs.set_progress(tx, claim.user_id, claim.run, {"filled": True})
    return Next()


def _end(tx: Tx, claim: Claim, compared: dict[str, float | int | None]) -> Next:
    runs.set_progress(tx, claim.user_id, claim.run, {"filled": True, "compared": compared})
    return Next(is_over=True)
