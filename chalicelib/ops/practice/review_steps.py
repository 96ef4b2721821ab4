"""The steps of kind plan_reviews: fit the user's parameters, then plan the cards anew that depend on them.

Done twice it changes nothing: an unchanged log gives the same parameters, and a card that was planned with the user's
settings is left alone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.model.jobs.runs import Run
from chalicelib.model.practice.memory import Fit
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.practice.review_settings import fit_to_log, plan_outdated, store_fit
from chalicelib.stores.jobs import runs
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


def review_steps(*, db: "Database") -> Steps:
    """Return the steps of kind plan_reviews. It costs nothing, so that it never waits for money."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        return lambda tx: runs.set_progress(tx, claim.user_id, run.id, {})

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        if "is_fitted" in run.progress:
            return lambda tx: Next(is_over=plan_outdated(tx, claim.user_id) == 0)
        fit = fit_to_log(claim.user_id, db=db)
        return lambda tx: _keep(tx, claim, fit)

    return Steps(validate=validate, step=step)


def _keep(tx: Tx, claim: Claim, fit: Fit | None) -> Next:
    compared = {}
    if fit is not None:
        store_fit(tx, claim.user_id, fit)
        compared = {
            "reviews": float(fit.reviews),
            "log_loss_default": fit.log_loss_default,
            "log_loss_fitted": fit.log_loss_fitted,
        }
    runs.set_progress(tx, claim.user_id, claim.run, {"is_fitted": True, "compared": compared or None})
    return Next()
