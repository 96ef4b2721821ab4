"""Read and change how a user wants to be asked; fit the parameters to the user's log of reviews."""

from typing import TYPE_CHECKING

from chalicelib.model.practice.memory import Fit, fit_parameters
from chalicelib.model.practice.reviews import ReviewSettings
from chalicelib.ops.practice.plan import Log, plan_reviewed
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import cards, review_settings, reviews

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_READ = 200_000  # reviews that a fit looks at, the newest
CARDS_AT_ONCE = 200


def read_settings(user_id: str, *, db: "Database") -> ReviewSettings:
    """Return the user's settings."""
    return db.transact(user_id, lambda tx: review_settings.get(tx, user_id))


def change_settings(
    user_id: str,
    *,
    desired_retention: float | None,
    day_begins_utc_hour: int | None,
    new_a_day: int | None,
    forget_parameters: bool,
    db: "Database",
) -> ReviewSettings:
    """Change what is not None, and return the settings. Cards follow at their next review, or by plan_reviews."""

    def change(tx: Tx) -> ReviewSettings:
        users.ensure(tx, user_id)
        old = review_settings.ensure(tx, user_id)
        review_settings.update(
            tx,
            user_id,
            desired_retention=old.desired_retention if desired_retention is None else desired_retention,
            day_begins_utc_hour=old.day_begins_utc_hour
            if day_begins_utc_hour is None
            else day_begins_utc_hour,
            new_a_day=old.new_a_day if new_a_day is None else new_a_day,
            parameters=None if forget_parameters else old.parameters,
        )
        return review_settings.get(tx, user_id)

    return db.transact(user_id, change)


def fit_to_log(user_id: str, *, db: "Database") -> Fit | None:
    """Return parameters fitted to the user's log, and how well they predict; None for too few reviews.

    It takes some seconds at most, outside any transaction.
    """

    def read(tx: Tx) -> tuple[ReviewSettings, list[Log]]:
        logs = reviews.list_ratings(tx, user_id, None, limit=MAX_READ)
        return review_settings.get(tx, user_id), list(logs.values())

    settings, logs = db.transact(user_id, read)
    return fit_parameters(
        [[(settings.day_of(at), rating) for at, rating in log] for log in logs],
        [[at.timestamp() for at, _ in log] for log in logs],
    )


def store_fit(tx: Tx, user_id: str, fit: Fit) -> None:
    """Use the fitted parameters from now on if they predict better than the defaults, else the defaults."""
    review_settings.ensure(tx, user_id)
    review_settings.set_fit(
        tx,
        user_id,
        parameters=fit.parameters if fit.is_better else None,
        reviews=fit.reviews,
        log_loss_default=fit.log_loss_default,
        log_loss_fitted=fit.log_loss_fitted,
    )


def plan_outdated(tx: Tx, user_id: str) -> int:
    """Plan some of the cards anew that were planned with other settings; return how many, 0 when none is left."""
    version = review_settings.get(tx, user_id).version
    outdated = cards.list_outdated(tx, user_id, version=version, limit=CARDS_AT_ONCE)
    return len(plan_reviewed(tx, user_id, outdated)) if outdated else 0
