"""Runs: claimed with a lease, finished under a fence. Ids are UUIDs, checked before they come here."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.errors import LeaseLost, NotFound
from chalicelib.model.work import runs
from chalicelib.model.work.runs import RunClaim, RunRef
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)


def insert(tx: Tx, ref: RunRef, *, kind: str, input: Mapping[str, Any]) -> bool:
    """Queue it; False when it is there already."""
    return tx.run(SQL["insert"], **_key(ref), kind=kind, input=json.dumps(input)) == 1


def get(tx: Tx, ref: RunRef) -> Row:
    rows = _list(tx, ref.user_id, id=ref.run_id)
    if not rows:
        raise NotFound("There is no such run.")
    return rows[0]


def list_page(
    tx: Tx, user_id: str, *, state: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[Row]:
    """Newest first."""
    return _list(tx, user_id, state=state, after=after, limit=limit)


def claim(tx: Tx, ref: RunRef, *, lease_s: float) -> RunClaim | None:
    """Take the run for so long; None when it is over, not due, out of attempts or someone else's."""
    row = tx.one(SQL["claim"], **_key(ref), lease_s=lease_s, max_attempts=runs.MAX_ATTEMPTS)
    return RunClaim(ref=ref, **row) if row else None


def hold(tx: Tx, claim: RunClaim) -> None:
    """Keep the claim for the rest of this transaction; raises LeaseLost when it is no longer ours."""
    if tx.one(SQL["hold"], **_key(claim.ref), token=claim.token) is None:
        raise LeaseLost("This run is over, or another worker has it.")


def succeed(tx: Tx, claim: RunClaim, output: Mapping[str, Any]) -> None:
    """The caller holds the claim."""
    tx.run(SQL["succeed"], **_key(claim.ref), output=json.dumps(output))


def retry(
    tx: Tx,
    claim: RunClaim,
    *,
    code: str,
    message: str,
    last_error: str,
    at_least_s: float = 0.0,
    refund: bool = False,
    at_once: bool = False,
) -> None:
    """Queue it again after a jittered backoff. The caller holds the claim; `refund` gives its attempt back."""
    tx.run(
        SQL["retry"],
        **_key(claim.ref),
        code=code,
        message=message,
        last_error=last_error,
        at_least_s=at_least_s,
        refund=int(refund),
        base_s=0.0 if at_once else runs.BACKOFF_BASE_S,
        cap_s=runs.BACKOFF_CAP_S,
    )


def fail(tx: Tx, claim: RunClaim, *, code: str, message: str, last_error: str) -> None:
    """`message` is for the user, `last_error` for the operator. The caller holds the claim."""
    tx.run(SQL["fail"], **_key(claim.ref), code=code, message=message, last_error=last_error)


def cancel(tx: Tx, ref: RunRef) -> bool:
    """Cancel the run; return False when it is over already. Its worker loses the fence."""
    return tx.run(SQL["cancel"], **_key(ref)) == 1


def list_due(tx: Tx, *, limit: int) -> list[RunRef]:
    """Runs whose event is still to be sent, and some whose event may be lost. System transaction."""
    rows = tx.all(SQL["list_due"], limit=limit, lost_after_s=runs.LOST_AFTER_S, lost_limit=runs.LOST_A_MINUTE)
    return [RunRef(user_id=row["user_id"], run_id=row["id"]) for row in rows]


def set_woken(tx: Tx, refs: Sequence[RunRef]) -> None:
    """The bus has their events. System transaction."""
    tx.run(SQL["set_woken"], user_ids=[ref.user_id for ref in refs], ids=[ref.run_id for ref in refs])


def set_unwoken(tx: Tx, ref: RunRef) -> bool:
    """Have the relay send its event again; whether it waits for one."""
    return tx.run(SQL["set_unwoken"], **_key(ref)) == 1


def expire(tx: Tx, *, limit: int) -> int:
    """Queue again, or give up, runs whose lease is over; return how many. System transaction."""
    return tx.run(
        SQL["expire"],
        limit=limit,
        max_attempts=runs.MAX_ATTEMPTS,
        base_s=runs.BACKOFF_BASE_S,
        cap_s=runs.BACKOFF_CAP_S,
    )


def prune(tx: Tx) -> int:
    return tx.run(SQL["prune"])


def _list(
    tx: Tx,
    user_id: str,
    *,
    id: str | None = None,
    state: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 1,
) -> list[Row]:
    at, after_id = after or (None, None)
    return tx.all(
        SQL["list"], user_id=user_id, id=id, state=state, after_at=at, after_id=after_id, limit=limit
    )


def _key(ref: RunRef) -> dict[str, str]:
    return {"user_id": ref.user_id, "id": ref.run_id}
