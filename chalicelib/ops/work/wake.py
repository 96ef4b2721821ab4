"""Send the messages that wake tasks: after a commit, and by the relay when that did not happen."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.work.tasks import QUEUES
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import outbox, tasks
from chalicelib.tracing import spans

if TYPE_CHECKING:
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.work")
USERS_AT_ONCE = 20  # their messages are sent in one transaction
LOST_GRACE_S = 120.0  # SQS counts its messages with up to a minute's delay


def wake(user_id: str, *, db: "Database", queues: "Queues", published: Sequence[int] = ()) -> int:
    """Send a message for each of the user's tasks that has a free place; return how many.

    Mark these events of the user as published, in the same transaction.

    Raise Unavailable or Misconfigured when a queue did not take its messages; the other queues have theirs then.
    The messages are sent inside the transaction that marks their tasks as woken. A crash in between, or a transaction
    that is run again, sends a message twice, and the second finds nothing to do; no message is marked and not sent.
    """

    def send(tx: Tx) -> tuple[int, errors.CollectionsError | None]:
        outbox.set_published(tx, published)
        return _send(tx, [user_id], queues)

    sent, error = db.transact(user_id, send)
    if error is not None:
        raise error
    return sent


def wake_later(user_id: str, *, db: "Database", queues: "Queues", published: Sequence[int] = ()) -> None:
    """Like wake, for requests: when the queue is away, the relay sends the messages, within a minute."""
    try:
        wake(user_id, db=db, queues=queues, published=published)
    except (errors.Unavailable, errors.Misconfigured) as error:
        log.warning("left to the relay", extra={"error": error.code, "user_id": user_id})


def relay_wakes(*, db: "Database", queues: "Queues") -> int:
    """Send the messages that nobody has sent; return how many.

    Raise Unavailable or Misconfigured when a queue is away, after the messages of the other queues are sent.
    """
    total, failed, last = 0, None, ""
    while users := db.transact_as_system(
        lambda tx, last=last: tasks.list_waiting_users(tx, after=last, limit=USERS_AT_ONCE)  # type: ignore[misc]
    ):
        sent, error = db.transact_as_system(lambda tx, users=users: _send(tx, users, queues))  # type: ignore[misc]
        total, failed, last = total + sent, failed or error, users[-1]
        if isinstance(error, errors.Unavailable) and not sent:
            break  # no queue answers
    if failed is not None:
        raise failed
    return total


def rewake_lost(*, db: "Database", queues: "Queues") -> int:
    """Have tasks woken again whose messages their queue has lost; return how many.

    Raise Unavailable or Misconfigured when a queue is away, after the others are looked at.
    """
    lost, failed = 0, None
    for queue in QUEUES:
        try:
            messages = queues.count(queue)
        except (errors.Unavailable, errors.Misconfigured) as error:
            failed = error
            continue
        lost += db.transact_as_system(
            lambda tx, queue=queue, messages=messages: tasks.unwake_lost(  # type: ignore[misc]
                tx, queue, messages=messages, grace_s=LOST_GRACE_S
            )
        )
    if failed is not None:
        raise failed
    return lost


def _send(tx: Tx, user_ids: Sequence[str], queues: "Queues") -> tuple[int, errors.CollectionsError | None]:
    """Mark and send; what no queue took is not marked. Return how many were sent, and the first error."""
    waking = tasks.wake(tx, user_ids)
    unsent, error = queues.send(waking, traceparent=spans.traceparent())
    tasks.unmark(tx, [wake.task for wake in unsent])
    return len(waking) - len(unsent), error
