"""Send the messages that wake tasks: after a commit, and by the relay when that did not happen."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.work.tasks import QUEUES
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.work")
USERS_A_RELAY = 1000
USERS_AT_ONCE = 20  # their messages are sent in one transaction
LOST_GRACE_S = 120.0  # SQS counts its messages with up to a minute's delay


def wake(user_id: str, *, db: "Database", queues: "Queues") -> int:
    """Send a message for each of the user's tasks that has a free place; return how many. Raise Unavailable.

    The messages are sent inside the transaction that marks their tasks as woken. A crash in between, or a transaction
    that is run again, sends a message twice, and the second finds nothing to do; no message is marked and not sent.
    """
    return db.transact(user_id, lambda tx: _send(tx, [user_id], queues))


def wake_later(user_id: str, *, db: "Database", queues: "Queues") -> None:
    """Like wake, for requests: when the queue is away, the relay sends the messages, within a minute."""
    try:
        wake(user_id, db=db, queues=queues)
    except errors.Unavailable as error:
        log.warning("left to the relay", extra={"error": error.code, "user_id": user_id})


def relay_wakes(*, db: "Database", queues: "Queues") -> int:
    """Send the messages that nobody has sent; return how many. Raise Unavailable."""
    users = db.transact_as_system(lambda tx: tasks.list_waiting_users(tx, limit=USERS_A_RELAY))
    sent = 0
    for start in range(0, len(users), USERS_AT_ONCE):
        some = users[start : start + USERS_AT_ONCE]
        sent += db.transact_as_system(lambda tx, some=some: _send(tx, some, queues))  # type: ignore[misc]
    return sent


def rewake_lost(*, db: "Database", queues: "Queues") -> int:
    """Have tasks woken again whose messages their queue has lost; return how many. Raise Unavailable."""
    lost = 0
    for queue in QUEUES:
        messages = queues.count(queue)
        lost += db.transact_as_system(
            lambda tx, queue=queue, messages=messages: tasks.unwake_lost(  # type: ignore[misc]
                tx, queue, messages=messages, grace_s=LOST_GRACE_S
            )
        )
    return lost


def _send(tx: Tx, user_ids: Sequence[str], queues: "Queues") -> int:
    waking = tasks.wake(tx, user_ids)
    queues.send(waking)
    return len(waking)
