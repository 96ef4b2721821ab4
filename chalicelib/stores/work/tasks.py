"""Tasks: claimed with a lease, finished under a fence, woken by messages.

Run ids are UUIDs, checked before they come here.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.errors import LeaseLost, NotFound
from chalicelib.model.library.items import ItemEvent, ItemRef
from chalicelib.model.work.pipeline import Stage
from chalicelib.model.work.tasks import (
    MAX_DELAY_S,
    OTHERS_WAIT_S,
    POLICIES,
    Claim,
    Kind,
    Queue,
    StoredRun,
    TaskRef,
    Wake,
)
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class StoredTask(Struct, frozen=True, kw_only=True):
    """A stage of an item: its state and the attempts counted so far."""

    task_id: int
    state: str
    attempt: int


class Expired(Struct, frozen=True, kw_only=True):
    """A running task whose lease is over, after so many attempts."""

    user_id: str
    task_id: int
    kind: Kind
    item_id: str | None
    run_id: str | None
    attempt: int

    @property
    def ref(self) -> ItemRef:
        assert self.item_id is not None
        return ItemRef(user_id=self.user_id, item_id=self.item_id)


Named = TaskRef | Claim | Expired  # whatever has a user_id and a task_id


def reset(tx: Tx, ref: ItemRef, stage: Stage) -> None:
    """Make the stage ready with no attempts used; whoever was at it has lost the fence."""
    tx.run(SQL["reset"], **_stage(ref, stage))


def insert_if_missing(tx: Tx, ref: ItemRef, stage: Stage) -> None:
    tx.run(SQL["insert_if_missing"], **_stage(ref, stage))


def insert_run(
    tx: Tx,
    user_id: str,
    run_id: str,
    *,
    kind: Kind,
    input: Mapping[str, Any],
    is_woken: bool = False,
    delay_s: float = 0.0,
) -> bool:
    """Make a run ready; return False when it is there already. `is_woken`: the caller begins to work on it itself.

    It is due after `delay_s` seconds, or when somebody hastens it.
    """
    given = {"kind": kind, "input": json.dumps(input), "is_woken": is_woken, "delay_s": delay_s}
    return tx.run(SQL["insert_run"], user_id=user_id, run_id=run_id, **given) == 1


def delete_stages(tx: Tx, ref: ItemRef, stages: Sequence[Stage]) -> None:
    tx.run(SQL["delete_stages"], user_id=ref.user_id, item_id=ref.item_id, stages=list(stages))


def find(tx: Tx, ref: ItemRef, stage: Stage) -> StoredTask | None:
    return tx.row(StoredTask, SQL["find"], **_stage(ref, stage))


def get_run(tx: Tx, user_id: str, run_id: str) -> StoredRun:
    run = tx.row(StoredRun, SQL["get_run"], user_id=user_id, run_id=run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def list_run_events(tx: Tx, user_id: str, run_id: str, *, after: int, limit: int) -> list[ItemEvent]:
    """Return the events of the run behind the id `after`, oldest first."""
    page = {"after": after, "limit": limit}
    return tx.rows(ItemEvent, SQL["list_run_events"], user_id=user_id, run_id=run_id, **page)


def claim(tx: Tx, task: TaskRef, *, lease_s: float | None = None) -> Claim | None:
    """Take the task for its lease, and note it in its timeline.

    Return None when it is over, not due, out of attempts or someone else's. Return None as well when as many tasks of
    this kind are at work as the policy allows: of the user, then the task waits for one of them to end; of all users,
    then it comes again after OTHERS_WAIT_S.
    """
    policy = POLICIES[task.kind]
    key = {**_key(task), "kind": task.kind, "max_attempts": policy.max_attempts}
    if policy.of_all_users is not None:
        tx.one(SQL["lock_kind"], kind=task.kind)
        if tx.all(SQL["count_at_work"], kind=task.kind)[0]["n"] >= policy.of_all_users:
            tx.run(SQL["put_off"], **key, delay_s=OTHERS_WAIT_S)
            return None
    tx.one(SQL["lock_claims"], **_key(task), kind=task.kind)
    row = tx.one(SQL["claim"], **key, lease_s=lease_s or policy.lease_s, at_once=policy.at_once)
    if row is None:
        tx.run(SQL["give_way"], **key)
        return None
    return Claim(user_id=task.user_id, kind=task.kind, **row)


def hold(tx: Tx, claim: Claim) -> None:
    """Keep the claim and lock the item for the rest of this transaction. Raise LeaseLost when it is not ours now."""
    if tx.one(SQL["hold"], **_key(claim), token=claim.token) is None:
        raise LeaseLost("Another worker has this task now, or it is over.")


def checkpoint(tx: Tx, claim: Claim) -> None:
    """Hold the claim in a transaction that keeps a part of the work, and count attempts anew from there."""
    hold(tx, claim)
    if claim.attempt > 1:
        tx.run(SQL["count_anew"], **_key(claim))


def get_attempt(tx: Tx, claim: Claim) -> int:
    """Return the claim's attempt, or 1 since it has passed a checkpoint. The caller holds the claim."""
    row = tx.one(SQL["get_attempt"], **_key(claim))
    assert row is not None
    return int(row["attempt"])


def finish(tx: Tx, claim: Claim, output: Mapping[str, Any] | None) -> None:
    """End the task, and note it in its timeline. The caller holds the claim."""
    given = json.dumps(output) if output is not None else None
    tx.run(SQL["finish"], **_key(claim), output=given, attempt=claim.attempt)


def release(tx: Tx, claim: Claim, *, delay_s: float = 0.0) -> None:
    """Give the task back, with no attempts used, due after `delay_s`. The caller holds the claim."""
    tx.run(SQL["release"], **_key(claim), delay_s=delay_s)


def hasten(tx: Tx, user_id: str, run_id: str) -> bool:
    """Make a run that waits for its time due now. Return False when it is at work, or over."""
    return tx.run(SQL["hasten"], user_id=user_id, run_id=run_id) == 1


def restart_run(tx: Tx, user_id: str, run_id: str) -> None:
    """Make the run ready anew, whatever it is now. Its worker loses the fence, and its place is free."""
    tx.run(SQL["restart_run"], user_id=user_id, run_id=run_id)


def cancel_stages(tx: Tx, user_id: str, item_ids: Sequence[str]) -> None:
    """Cancel what is ready or at work of these items, which the caller has locked. Their workers lose the fence."""
    tx.run(SQL["cancel_stages"], user_id=user_id, item_ids=list(item_ids))


def retry(
    tx: Tx,
    task: Named,
    *,
    code: str,
    message: str,
    last_error: str | None = None,
    at_least_s: float = 0.0,
    refund: bool = False,
    at_once: bool = False,
) -> None:
    """Make the task ready again after a jittered backoff, or at once. `refund` gives the attempt back.

    `message` is for the user, `last_error` for the operator.
    """
    policy = POLICIES[task.kind]
    tx.run(
        SQL["retry"],
        **_key(task),
        code=code,
        message=message,
        last_error=last_error,
        at_least_s=at_least_s,
        refund=int(refund),
        base_s=0.0 if at_once else policy.backoff_base_s,
        cap_s=policy.backoff_cap_s,
    )


def fail(tx: Tx, task: Named, *, code: str, message: str, last_error: str | None = None) -> None:
    tx.run(SQL["fail"], **_key(task), code=code, message=message, last_error=last_error)


def cancel_run(tx: Tx, user_id: str, run_id: str) -> bool:
    """Cancel the run; return False when it is over already. Its worker loses the fence."""
    return tx.run(SQL["cancel_run"], user_id=user_id, run_id=run_id) == 1


def list_expired(tx: Tx, *, limit: int) -> list[Expired]:
    """Return running tasks whose lease is over, locked. System transaction."""
    found = tx.all(SQL["find_expired"], kinds=list(POLICIES), limit=limit)
    return tx.rows(Expired, SQL["list_expired"], ids=lock_items(tx, [row["id"] for row in found]))


def lock_items(tx: Tx, ids: Sequence[int]) -> list[int]:
    """Lock the items of these tasks, before the caller locks the tasks; return the ids. System transaction."""
    tx.all(SQL["lock_items"], ids=list(ids))
    return list(ids)


def wake(tx: Tx, user_ids: Sequence[str]) -> list[Wake]:
    """Mark the users' tasks that are to be woken now; return the messages that the caller sends before the commit."""
    tx.all(SQL["lock_wakes"], user_ids=list(user_ids))
    at_once = [policy.at_once for policy in POLICIES.values()]
    bounds = {"kinds": list(POLICIES), "at_once": at_once, "max_delay_s": MAX_DELAY_S}
    rows = tx.all(SQL["wake"], user_ids=list(user_ids), **bounds)
    rows.sort(key=lambda row: row["task_id"])
    return [Wake(delay_s=row.pop("delay_s"), task=TaskRef(**row)) for row in rows]


def unmark(tx: Tx, woken: Sequence[TaskRef]) -> None:
    """Undo what `wake` marked, in its transaction: their messages were not sent."""
    if woken:
        tx.run(SQL["unmark"], ids=[task.task_id for task in woken])


def list_waiting_users(tx: Tx, *, after: str, limit: int) -> list[str]:
    """Return users behind `after` who have tasks that no message wakes, in order. System transaction."""
    rows = tx.all(SQL["list_waiting_users"], after=after, limit=limit, max_delay_s=MAX_DELAY_S)
    return [row["user_id"] for row in rows]


def set_unwoken(tx: Tx, task: TaskRef) -> bool:
    """Have the relay send the task's message again; return False when it waits for none."""
    return tx.run(SQL["set_unwoken"], **_key(task)) == 1


def unwake_lost(tx: Tx, queue: Queue, *, messages: int, grace_s: float) -> int:
    """Have as many of the queue's tasks woken again as it has too few messages; return how many. System transaction."""
    kinds = [kind for kind, policy in POLICIES.items() if policy.queue == queue]
    found = tx.all(SQL["find_lost"], kinds=kinds, messages=messages, grace_s=grace_s)
    ids = lock_items(tx, [row["id"] for row in found])
    return int(tx.all(SQL["unwake_lost"], ids=ids, grace_s=grace_s)[0]["n"])


def prune_runs(tx: Tx) -> int:
    """Delete the runs that ended more than 30 days ago. System transaction."""
    return tx.run(SQL["prune_runs"])


def adopt_runs(tx: Tx) -> int:
    """Move the runs that the release before has made; return how many. System transaction."""
    row = tx.one(SQL["adopt_runs"])
    assert row is not None
    return int(row["adopt_runs"])


def note(
    tx: Tx, task: Claim | Expired, event: str, *, attempt: int | None = None, message: str | None = None
) -> None:
    """Add a line to the timeline of the task's item or run."""
    tx.run(
        SQL["note"],
        user_id=task.user_id,
        item_id=task.item_id,
        run_id=task.run_id,
        kind=task.kind,
        event=event,
        attempt=task.attempt if attempt is None else attempt,
        message=message,
    )


def note_run(tx: Tx, user_id: str, run_id: str, event: str, *, message: str | None = None) -> None:
    """Add a line to the timeline of a run that the caller has not claimed."""
    tx.run(SQL["note_run"], user_id=user_id, run_id=run_id, event=event, message=message)


def _key(task: Named) -> dict[str, Any]:
    return {"user_id": task.user_id, "task_id": task.task_id}


def _stage(ref: ItemRef, stage: Stage) -> dict[str, str]:
    return {"user_id": ref.user_id, "item_id": ref.item_id, "stage": stage}
