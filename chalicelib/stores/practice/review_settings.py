"""Review settings: how a user wants to be asked, and the parameters that were fitted to their log."""

from collections.abc import Sequence

from chalicelib.model.practice.reviews import ReviewSettings
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def get(tx: Tx, user_id: str) -> ReviewSettings:
    """Return the user's settings, or those of a user who has set nothing."""
    return tx.row(ReviewSettings, SQL["get"], user_id=user_id) or ReviewSettings()


def ensure(tx: Tx, user_id: str) -> ReviewSettings:
    """Return the user's settings, locked until the transaction ends; make them if there are none."""
    tx.run(SQL["insert"], user_id=user_id)
    found = tx.row(ReviewSettings, SQL["lock"], user_id=user_id)
    assert found is not None
    return found


def update(
    tx: Tx,
    user_id: str,
    *,
    desired_retention: float,
    day_begins_utc_hour: int,
    new_a_day: int,
    parameters: Sequence[float] | None,
) -> None:
    """Replace what the user may set; a change that due dates depend on makes a new version."""
    tx.run(
        SQL["update"],
        user_id=user_id,
        desired_retention=desired_retention,
        day_begins_utc_hour=day_begins_utc_hour,
        new_a_day=new_a_day,
        parameters=None if parameters is None else list(parameters),
    )


def set_fit(
    tx: Tx,
    user_id: str,
    *,
    parameters: Sequence[float] | None,
    reviews: int,
    log_loss_default: float,
    log_loss_fitted: float,
) -> None:
    """Store the outcome of a fit: `parameters` None if the defaults are better. New parameters make a new version."""
    tx.run(
        SQL["set_fit"],
        user_id=user_id,
        parameters=None if parameters is None else list(parameters),
        reviews=reviews,
        log_loss_default=log_loss_default,
        log_loss_fitted=log_loss_fitted,
    )
