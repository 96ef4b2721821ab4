"""A user's webhooks: make, list, read, change, delete them, give them new secrets; read their log, send again."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.model.webhooks.signing import new_secret
from chalicelib.model.webhooks.webhooks import (
    TEST_EVENT,
    DeliveryFilters,
    DeliveryState,
    Event,
    StoredDelivery,
    StoredWebhook,
    check_url,
)
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.webhooks import deliveries, webhooks

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T", StoredWebhook, StoredDelivery)
MAX_WEBHOOKS = 20
MAX_REDELIVERIES = 100  # of one request
MAX_SECRETS = 5  # valid at once: each makes the signature longer


def create_webhook(
    user_id: str,
    webhook_id: str,
    *,
    url: str,
    description: str,
    events: Sequence[Event],
    enabled: bool,
    is_local: bool,
    db: "Database",
) -> tuple[StoredWebhook, str]:
    """Return the webhook and its secret, which is shown this once.

    Raise InvalidInput, and Conflict beyond MAX_WEBHOOKS.
    """
    check_url(url, is_local=is_local)
    secret = new_secret()

    def make(tx: Tx) -> StoredWebhook:
        users.ensure(tx, user_id)
        if webhooks.count_others(tx, user_id, webhook_id) >= MAX_WEBHOOKS:
            raise Conflict(f"You have {MAX_WEBHOOKS} webhooks; delete one first.", code="too_many_webhooks")
        told = sorted(set(events))
        webhooks.insert(
            tx, user_id, webhook_id, url=url, description=description, events=told, enabled=enabled
        )
        webhooks.add_secret(tx, user_id, webhook_id, secret)
        return webhooks.get(tx, user_id, webhook_id)

    return db.transact(user_id, make), secret


def list_webhooks(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredWebhook], str | None]:
    """Return a page of the user's webhooks, newest first, and the cursor of the next page."""
    position = _position(after)
    return _page(
        db.transact(user_id, lambda tx: webhooks.list_page(tx, user_id, after=position, limit=limit + 1)),
        limit,
    )


def read_webhook(user_id: str, webhook_id: str, *, db: "Database") -> StoredWebhook:
    """Return the webhook. Raise NotFound."""
    known = _checked(webhook_id)
    return db.transact(user_id, lambda tx: webhooks.get(tx, user_id, known))


def change_webhook(
    user_id: str,
    webhook_id: str,
    *,
    url: str | None,
    description: str | None,
    events: Sequence[Event] | None,
    enabled: bool | None,
    is_local: bool,
    db: "Database",
) -> StoredWebhook:
    """Change what is not None and return the webhook. Raise NotFound and InvalidInput."""
    known = _checked(webhook_id)
    if url is not None:
        check_url(url, is_local=is_local)
    told = sorted(set(events)) if events is not None else None

    def change(tx: Tx) -> StoredWebhook:
        webhooks.update(tx, user_id, known, url=url, description=description, events=told, enabled=enabled)
        return webhooks.get(tx, user_id, known)

    return db.transact(user_id, change)


def delete_webhook(user_id: str, webhook_id: str, *, db: "Database") -> None:
    """Delete the webhook with its secrets and its log; what is still to be delivered is not. Raise NotFound."""
    known = _checked(webhook_id)
    if not db.transact(user_id, lambda tx: webhooks.delete(tx, user_id, known)):
        raise _missing()


def rotate_secret(
    user_id: str, webhook_id: str, *, keep_s: float, db: "Database"
) -> tuple[StoredWebhook, str]:
    """Return the webhook and a new secret, which is shown this once. Older ones sign as well for `keep_s`.

    Raise NotFound, and Conflict while MAX_SECRETS are valid.
    """
    known, secret = _checked(webhook_id), new_secret()

    def rotate(tx: Tx) -> StoredWebhook:
        webhooks.count_others(tx, user_id, known)  # its lock: rotations one after the other
        found = webhooks.get(tx, user_id, known)
        webhooks.end_secrets(tx, user_id, known, keep_s=keep_s)
        if webhooks.count_secrets(tx, user_id, known) >= MAX_SECRETS:
            raise Conflict(
                f"{MAX_SECRETS} secrets are valid; wait until one ends, or end them with keep_old_hours 0.",
                code="too_many_secrets",
            )
        webhooks.add_secret(tx, user_id, known, secret)
        return found

    return db.transact(user_id, rotate), secret


def list_deliveries(
    user_id: str,
    webhook_id: str,
    *,
    state: DeliveryState | None,
    after: str | None,
    limit: int,
    db: "Database",
) -> tuple[list[StoredDelivery], str | None]:
    """Return a page of the webhook's deliveries, newest first, and the cursor of the next page. Raise NotFound."""
    known, position = _checked(webhook_id), _position(after)

    def read(tx: Tx) -> list[StoredDelivery]:
        webhooks.get(tx, user_id, known)
        return deliveries.list_page(tx, user_id, known, state=state, after=position, limit=limit + 1)

    return _page(db.transact(user_id, read), limit)


def send_test(
    user_id: str, webhook_id: str, delivery_id: str, *, db: "Database", queues: "Queues"
) -> StoredDelivery:
    """Begin the delivery of a test event and return it. Raise NotFound, and Conflict for a disabled webhook."""
    known = _checked(webhook_id)

    def send(tx: Tx) -> StoredDelivery:
        hook = webhooks.get(tx, user_id, known)
        _require_enabled(hook)
        data = {"webhook_id": known, "description": hook.description}
        deliveries.insert(tx, user_id, known, delivery_id, event=TEST_EVENT, data=data)
        return deliveries.get(tx, user_id, known, delivery_id)

    return _woken(user_id, send, db=db, queues=queues)


def redeliver(
    user_id: str, webhook_id: str, delivery_id: str, *, db: "Database", queues: "Queues"
) -> StoredDelivery:
    """Send a delivery again, under the same id, and for up to three days from now; return it.

    Raise NotFound, and Conflict for a disabled webhook and while it is being sent.
    """
    known = _checked(webhook_id)
    sent = checked_uuid(delivery_id, NotFound("There is no such delivery."))

    def send(tx: Tx) -> StoredDelivery:
        _require_enabled(webhooks.get(tx, user_id, known))
        deliveries.get(tx, user_id, known, sent)
        if not deliveries.send_again(tx, user_id, [sent]):
            raise Conflict("This delivery is being sent at this moment.", code="delivery_in_flight")
        return deliveries.get(tx, user_id, known, sent)

    return _woken(user_id, send, db=db, queues=queues)


def redeliver_many(
    user_id: str, webhook_id: str, filters: DeliveryFilters, *, db: "Database", queues: "Queues"
) -> tuple[list[StoredDelivery], bool]:
    """Send the deliveries again that match, at most MAX_REDELIVERIES; return them, and whether more match.

    Raise NotFound, InvalidInput for a filter without a condition, and Conflict for a disabled webhook.
    """
    known = _checked(webhook_id)
    if filters == DeliveryFilters():
        said = "The filter is empty: it would concern all deliveries. Name state, event, since or until."
        raise InvalidInput(said, field="filter", code="empty_filter")

    def send(tx: Tx) -> tuple[list[StoredDelivery], bool]:
        _require_enabled(webhooks.get(tx, user_id, known))
        found = deliveries.find_matching(tx, user_id, known, filters, limit=MAX_REDELIVERIES + 1)
        deliveries.send_again(tx, user_id, found[:MAX_REDELIVERIES])
        sent = deliveries.list_ids(tx, user_id, known, found[:MAX_REDELIVERIES])
        return sent, len(found) > MAX_REDELIVERIES

    made = db.transact(user_id, send)
    wake_later(user_id, db=db, queues=queues)
    return made


def _woken(
    user_id: str, send: Callable[[Tx], StoredDelivery], *, db: "Database", queues: "Queues"
) -> StoredDelivery:
    made = db.transact(user_id, send)
    wake_later(user_id, db=db, queues=queues)
    return made


def _require_enabled(webhook: StoredWebhook) -> None:
    if not webhook.enabled:
        raise Conflict("This webhook is disabled; enable it first.", code="webhook_disabled")


def _position(after: str | None) -> "tuple[datetime, str] | None":
    position = decode_cursor(after) if after else None
    if position:
        checked_uuid(position[1], InvalidInput("This cursor is not one of ours.", field="after"))
    return position


def _page(found: list[T], limit: int) -> tuple[list[T], str | None]:
    page, last = cut_page(found, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def _checked(webhook_id: str) -> str:
    return checked_uuid(webhook_id, _missing())


def _missing() -> NotFound:
    return NotFound("There is no such webhook.")
