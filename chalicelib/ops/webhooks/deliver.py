"""Deliver an event to a webhook: one attempt a call; the engine tries again.

A delivery is over when the receiver has answered 2xx, when it has answered 410 (which disables the webhook as well),
when the webhook is disabled, or RETRIED_FOR after the event.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.webhooks.signing import body_of, signed_headers
from chalicelib.model.webhooks.webhooks import Answer, DeliveryState, Due
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.engine import Finish, Finished, TimeUp
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.webhooks import deliveries, webhooks
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.webhooks")
TIMEOUT_S = 15.0  # the standard: 15 to 30
RESERVE_S = 5.0  # to write down what the receiver said
RETRIED_FOR = timedelta(days=3)
LONGEST_WAIT_S = 24 * 3600.0  # a receiver that asks for a longer one is tried again after this
GONE = 410

Send = Callable[..., Answer]


def deliver_event(
    claim: Claim,
    *,
    db: "Database",
    send: Send,
    clock: Callable[[], datetime],
    time_left_s: Callable[[], float],
) -> Finish:
    """Send the delivery once. Raise Unavailable, after the attempt is in the log, when it is to be sent again.

    `send(url, headers, body, timeout_s=...)` returns the receiver's Answer, or raises Unavailable.
    """
    due = db.transact(
        claim.user_id, lambda tx: deliveries.find_due(tx, claim.user_id, claim.input["delivery_id"])
    )
    if due is None:
        return lambda tx: Finished()
    if not due.enabled:
        return _end(claim, due, "failed", error="The webhook is disabled.")
    if time_left_s() < TIMEOUT_S + RESERVE_S:
        raise TimeUp("There is no time to wait for an answer.")
    now = clock()
    body = body_of(due.event, due.created_at, due.data)
    headers = {
        "content-type": "application/json",
        "user-agent": "Collections-Webhooks/1",
        **signed_headers(message_id(due.id), body, due.secrets, now_s=int(now.timestamp())),
    }
    began = monotonic()
    answer, unreachable = None, None
    try:
        answer = send(due.url, headers, body, timeout_s=TIMEOUT_S)
    except errors.Unavailable as error:
        unreachable = error
    took_ms = int((monotonic() - began) * 1000)
    log.info("webhook sent", extra={"status": answer.status if answer else None, "took_ms": took_ms})
    if answer and 200 <= answer.status < 300:
        return _end(claim, due, "delivered", status=answer.status, took_ms=took_ms)
    reason = (
        unreachable.message if unreachable else f"The receiver answered {answer.status if answer else ''}."
    )
    status = answer.status if answer else None
    if status == GONE or now - due.retried_from >= RETRIED_FOR:
        return _end(claim, due, "failed", status=status, error=reason, took_ms=took_ms)
    db.transact(
        claim.user_id, lambda tx: _keep_attempt(tx, claim, due, status=status, error=reason, took_ms=took_ms)
    )
    wait_s = answer.retry_after_s if answer else None
    raise errors.Throttled(reason, retry_after_s=min(wait_s, LONGEST_WAIT_S) if wait_s is not None else None)


def message_id(delivery_id: str) -> str:
    """Return the standard's webhook-id, the same at each attempt of a delivery."""
    return f"msg_{delivery_id.replace('-', '')}"


def _keep_attempt(tx: Tx, claim: Claim, due: Due, *, status: int | None, error: str, took_ms: int) -> None:
    tasks.hold(tx, claim)
    deliveries.set_attempted(
        tx, claim.user_id, due.id, outcome="pending", status=status, error=error, took_ms=took_ms
    )


def _end(
    claim: Claim,
    due: Due,
    outcome: DeliveryState,
    *,
    status: int | None = None,
    error: str | None = None,
    took_ms: int | None = None,
) -> Finish:
    def finish(tx: Tx) -> Finished:
        deliveries.set_attempted(
            tx, claim.user_id, due.id, outcome=outcome, status=status, error=error, took_ms=took_ms
        )
        if status == GONE:
            webhooks.disable(tx, claim.user_id, due.webhook_id, reason="gone")
        return Finished()

    return finish
