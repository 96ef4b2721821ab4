"""The steps of kind reembed: fill the sets of pictures and of the next model; compare its set with the live one."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidInput
from chalicelib.model.jobs.runs import Run
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.search.reembed import RESERVE_S, compare_sets, fill_pictures, fill_texts
from chalicelib.providers import Embedder
from chalicelib.stores.jobs import runs
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

FILL_S = 15.0  # of one step


def reembed_steps(
    *, db: "Database", embedder_of: Callable[[Claim], Embedder], read_preview: Callable[[str], bytes]
) -> Steps:
    """Return the steps of kind reembed. `embedder_of` returns the models, metered for the run."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        embedder = embedder_of(claim)
        if embedder.next is None and embedder.pictures is None:
            raise InvalidInput(
                "No next model is configured: set NEXT_EMBEDDING_MODEL first.", code="no_next_embedder"
            )
        return lambda tx: None

    def fill(claim: Claim, embedder: Embedder) -> bool:
        left_s = _until(FILL_S + RESERVE_S)
        if embedder.pictures and not fill_pictures(
            claim, embedder.pictures, read_preview=read_preview, db=db, time_left_s=left_s
        ):
            return False
        return embedder.next is None or fill_texts(claim, embedder.next, db=db, time_left_s=left_s)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        if not may_begin:
            return lambda tx: Next(is_held=True)
        embedder = embedder_of(claim)
        if "filled" not in run.progress:
            is_filled = fill(claim, embedder)
            return lambda tx: _go_on(tx, claim, is_filled=is_filled)
        if embedder.next is None:
            return lambda tx: _end(tx, claim, None)
        left_s = _until(FILL_S + RESERVE_S)
        _, compared = compare_sets(claim, db=db, embedder=embedder, model=embedder.next, time_left_s=left_s)
        return lambda tx: _end(tx, claim, compared)

    return Steps(validate=validate, step=step)


def _until(seconds: float) -> Callable[[], float]:
    end_s = monotonic() + seconds
    return lambda: end_s - monotonic()


def _go_on(tx: Tx, claim: Claim, *, is_filled: bool) -> Next:
    if is_filled:
        runs.set_progress(tx, claim.user_id, claim.run, {"filled": True})
    return Next()


def _end(tx: Tx, claim: Claim, compared: dict[str, float | int | None] | None) -> Next:
    runs.set_progress(tx, claim.user_id, claim.run, {"filled": True, "compared": compared})
    return Next(is_over=True)
