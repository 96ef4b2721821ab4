"""Routes of a webhook's log: what was sent, what is still to be sent, a test, and once more."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Body, ListQuery, Request, Routes
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.webhooks.webhooks import DeliveryFilters, DeliveryState, Event, StoredDelivery
from chalicelib.ops.webhooks import deliver, webhooks

routes = Routes("webhooks")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is sent to a webhook. `webhook_message_id` is the header `webhook-id`.

    `response_status`, `error` and `took_ms` are those of the last attempt. `next_attempt_at` is null unless it is
    pending. Deliveries are kept for 30 days.
    """

    object: Literal["delivery"] = "delivery"
    id: str
    webhook_id: str
    webhook_message_id: str
    event: str
    data: dict[str, str | int | None]
    state: DeliveryState
    attempts: int
    response_status: int | None
    error: str | None
    took_ms: int | None
    created_at: datetime
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Delivery]
    has_more: bool
    next: str | None


class ListDeliveries(ListQuery, frozen=True, kw_only=True):
    state: DeliveryState | None = None


class DeliveryFilter(Body, frozen=True, kw_only=True):
    """The deliveries that fulfil all conditions, of which there must be one. The times bound when they were made."""

    state: DeliveryState | None = None
    event: Event | Literal["webhook.test"] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class ManyDeliveries(Body, frozen=True, kw_only=True):
    filter: DeliveryFilter


@routes.get(
    "/api/v1/webhooks/{webhook_id}/deliveries",
    query=ListDeliveries,
    returns=DeliveryList,
    summary="List the deliveries of a webhook, newest first.",
)
def list_deliveries(request: Request) -> DeliveryList:
    query: ListDeliveries = request.query
    found, cursor = webhooks.list_deliveries(
        request.user_id,
        request.path["webhook_id"],
        state=query.state,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return DeliveryList(data=[_delivery(each) for each in found], has_more=cursor is not None, next=cursor)


@routes.post(
    "/api/v1/webhooks/{webhook_id}/test",
    returns=Delivery,
    status=202,
    errors=(Conflict, NotFound),
    keyed=True,
    summary="Send a test event to a webhook, whatever events it is told of.",
)
def send_test(request: Request) -> Delivery:
    return _delivery(
        webhooks.send_test(
            request.user_id,
            request.path["webhook_id"],
            str(request.creation_id),
            db=wiring.database(),
            queues=wiring.queues(),
        )
    )


@routes.post(
    "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    returns=Delivery,
    status=202,
    errors=(Conflict, NotFound),
    summary="Send a delivery again, under the same id.",
)
def redeliver(request: Request) -> Delivery:
    return _delivery(
        webhooks.redeliver(
            request.user_id,
            request.path["webhook_id"],
            request.path["delivery_id"],
            db=wiring.database(),
            queues=wiring.queues(),
        )
    )


@routes.post(
    "/api/v1/webhooks/{webhook_id}/deliveries/redeliver",
    body=ManyDeliveries,
    returns=DeliveryList,
    status=202,
    errors=(Conflict, NotFound),
    summary="Send the deliveries of a filter again, at most 100; ask again while there are more.",
)
def redeliver_many(request: Request) -> DeliveryList:
    given: DeliveryFilter = request.body.filter
    sent, has_more = webhooks.redeliver_many(
        request.user_id,
        request.path["webhook_id"],
        DeliveryFilters(**asdict(given)),
        db=wiring.database(),
        queues=wiring.queues(),
    )
    return DeliveryList(data=[_delivery(each) for each in sent], has_more=has_more, next=None)


def _delivery(stored: StoredDelivery) -> Delivery:
    fields = asdict(stored)
    status = fields.pop("status")
    return Delivery(**fields, response_status=status, webhook_message_id=deliver.message_id(stored.id))
