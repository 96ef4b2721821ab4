"""The pipeline's tasks: claimed with a lease, finished under a fence."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from chalicelib.errors import LeaseLost
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work import pipeline
from chalicelib.model.work.pipeline import Claim, Stage
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class ItemTask(Struct, frozen=True, kw_only=True):
    """A stage of an item, with what its wake-up event tells of the item: the object's key and the kind of file."""

    user_id: str
    item_id: str
    stage: Stage
    key: str
    kind: str | None

    @property
    def ref(self) -> ItemRef:
        return ItemRef(user_id=self.user_id, item_id=self.item_id)


class TakenBack(ItemTask, frozen=True, kw_only=True):
    """A running task whose lease is over, after so many attempts."""

    attempt: int


class StoredTask(Struct, frozen=True, kw_only=True):
    """A stage of an item: its state and the attempts counted so far."""

    state: str
    attempt: int


def reset(tx: Tx, ref: ItemRef, stage: Stage) -> None:
    """Make the stage ready with no attempts used; whoever was at it has lost the fence."""
    tx.run(SQL["reset"], **_key(ref, stage))


def insert_if_missing(tx: Tx, ref: ItemRef, stage: Stage) -> None:
    tx.run(SQL["insert_if_missing"], **_key(ref, stage))


def delete_stages(tx: Tx, ref: ItemRef, stages: Sequence[Stage]) -> None:
    tx.run(SQL["delete_stages"], user_id=ref.user_id, item_id=ref.item_id, stages=list(stages))


def find(tx: Tx, ref: ItemRef, stage: Stage) -> StoredTask | None:
    return tx.row(StoredTask, SQL["find"], **_key(ref, stage))


def claim(tx: Tx, ref: ItemRef, stage: Stage) -> Claim | None:
    """Take the stage for its lease; None when it is done, not due, out of attempts or someone else's."""
    tx.one(SQL["lock_item"], user_id=ref.user_id, item_id=ref.item_id)
    row = tx.one(
        SQL["claim"], **_key(ref, stage), lease_s=pipeline.LEASE_S[stage], max_attempts=pipeline.MAX_ATTEMPTS
    )
    return Claim(ref=ref, stage=stage, token=row["token"], attempt=row["attempt"]) if row else None


def hold(tx: Tx, claim: Claim) -> None:
    """Keep the claim for the rest of this transaction; raises LeaseLost when it is no longer ours.

    The item is locked before the task, here as wherever both are, so that no two wait for each other.
    """
    tx.one(SQL["lock_item"], user_id=claim.ref.user_id, item_id=claim.ref.item_id)
    if tx.one(SQL["hold"], **_key(claim.ref, claim.stage), token=claim.token) is None:
        raise LeaseLost("Another worker has this task now.")


def checkpoint(tx: Tx, claim: Claim) -> None:
    """Like hold, in a transaction that keeps a part of the work: this is the first attempt to go on from there."""
    hold(tx, claim)
    if claim.attempt > 1:
        tx.run(SQL["count_anew"], **_key(claim.ref, claim.stage))


def get_attempt(tx: Tx, claim: Claim) -> int:
    """The claim's, or 1 since it has passed a checkpoint. The caller holds the claim."""
    task = find(tx, claim.ref, claim.stage)
    assert task is not None
    return task.attempt


def finish(tx: Tx, claim: Claim) -> None:
    """The caller holds the claim."""
    tx.run(SQL["finish"], **_key(claim.ref, claim.stage))


def retry(
    tx: Tx,
    ref: ItemRef,
    stage: Stage,
    *,
    code: str,
    message: str,
    last_error: str | None = None,
    at_least_s: float = 0.0,
    refund: bool = False,
) -> datetime:
    """Make the task ready after a jittered backoff and return when. `refund` gives the attempt back.

    `message` is for the item's owner, `last_error` for the operator.
    """
    row = tx.one(
        SQL["retry"],
        **_key(ref, stage),
        code=code,
        message=message,
        last_error=last_error,
        at_least_s=at_least_s,
        refund=int(refund),
        base_s=pipeline.BACKOFF_BASE_S,
        cap_s=pipeline.BACKOFF_CAP_S,
    )
    assert row is not None
    run_after: datetime = row["run_after"]
    return run_after


def fail(tx: Tx, ref: ItemRef, stage: Stage, *, code: str, message: str, last_error: str | None) -> None:
    tx.run(SQL["fail"], **_key(ref, stage), code=code, message=message, last_error=last_error)


def list_expired(tx: Tx, *, limit: int) -> list[TakenBack]:
    """Return running tasks whose lease is over, locked. System transaction."""
    return tx.rows(TakenBack, SQL["list_expired"], limit=limit)


def list_lost(tx: Tx, *, grace_s: float, limit: int) -> list[ItemTask]:
    """Return ready tasks whose wake-up went out but surely never arrived, locked. System transaction."""
    return tx.rows(ItemTask, SQL["list_lost"], grace_s=grace_s, limit=limit)


def set_woken(tx: Tx, ref: ItemRef, stage: Stage, *, at: datetime | None = None) -> None:
    """Record that the wake-up went out at `at`, now when no time is given."""
    tx.run(SQL["set_woken"], **_key(ref, stage), at=at)


def set_unwoken(tx: Tx, ref: ItemRef, stage: Stage) -> None:
    tx.run(SQL["set_unwoken"], **_key(ref, stage))


def _key(ref: ItemRef, stage: Stage) -> dict[str, str]:
    return {"user_id": ref.user_id, "item_id": ref.item_id, "stage": stage}
