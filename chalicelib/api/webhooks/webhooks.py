"""Routes of webhooks. A secret is shown once, when it is made; no Idempotency-Key keeps it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Body, ListQuery, Request, Response, Routes
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.webhooks.webhooks import Event, StoredWebhook
from chalicelib.ops.webhooks import webhooks

routes = Routes("webhooks")
Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="https, ASCII, to a public address; no user, password or fragment.",
    ),
]
Events = Annotated[list[Event], Meta(min_length=1, max_length=20)]
Description = Annotated[str, Meta(max_length=500)]


class NewWebhook(Body, frozen=True, kw_only=True):
    """`events` are those it is told of. A user can have 20 webhooks."""

    url: Url
    events: Events
    description: Description = ""
    enabled: bool = True


class WebhookChange(Body, frozen=True, kw_only=True):
    """Fields to change. Deliveries that wait go to the new URL; those of a disabled webhook end as failed."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Rotation(Body, frozen=True, kw_only=True):
    """For how many hours the secrets of before sign as well. Five may be valid at once."""

    keep_old_hours: Annotated[int, Meta(ge=0, le=168)] = 24


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook. `disabled_reason` is "gone" after the receiver has answered 410, null if it was disabled by hand."""

    object: Literal["webhook"] = "webhook"
    id: str
    url: str
    description: str
    events: list[Event]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook, frozen=True, kw_only=True):
    """`secret` is shown only now. Deliveries are signed with it (Standard Webhooks)."""

    secret: str


class WebhookList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Webhook]
    has_more: bool
    next: str | None


@routes.post(
    "/api/v1/webhooks",
    body=NewWebhook,
    returns=WebhookWithSecret,
    status=201,
    errors=(Conflict,),
    summary="Make a webhook; its secret is shown once.",
)
def create_webhook(request: Request) -> Response:
    body: NewWebhook = request.body
    made, secret = webhooks.create_webhook(
        request.user_id,
        str(request.creation_id),
        url=body.url,
        description=body.description,
        events=body.events,
        enabled=body.enabled,
        is_local=_is_local(),
        db=wiring.database(),
    )
    return Response(_with_secret(made, secret), headers={"Location": f"/api/v1/webhooks/{made.id}"})


@routes.get(
    "/api/v1/webhooks", query=ListQuery, returns=WebhookList, summary="List your webhooks, newest first."
)
def list_webhooks(request: Request) -> WebhookList:
    query: ListQuery = request.query
    found, cursor = webhooks.list_webhooks(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    return WebhookList(data=[_webhook(each) for each in found], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/webhooks/{webhook_id}", returns=Webhook, summary="Read a webhook.")
def get_webhook(request: Request) -> Webhook:
    return _webhook(webhooks.read_webhook(request.user_id, request.path["webhook_id"], db=wiring.database()))


@routes.patch(
    "/api/v1/webhooks/{webhook_id}",
    body=WebhookChange,
    returns=Webhook,
    errors=(NotFound,),
    summary="Change a webhook, or enable it again.",
)
def change_webhook(request: Request) -> Webhook:
    change: WebhookChange = request.body
    given = {name: None if value is UNSET else value for name, value in asdict(change).items()}
    return _webhook(
        webhooks.change_webhook(
            request.user_id,
            request.path["webhook_id"],
            is_local=_is_local(),
            db=wiring.database(),
            **given,
        )
    )


@routes.delete(
    "/api/v1/webhooks/{webhook_id}",
    errors=(NotFound,),
    summary="Delete a webhook with its log; nothing more is sent.",
)
def delete_webhook(request: Request) -> None:
    webhooks.delete_webhook(request.user_id, request.path["webhook_id"], db=wiring.database())


@routes.post(
    "/api/v1/webhooks/{webhook_id}/secret",
    body=Rotation,
    returns=WebhookWithSecret,
    errors=(Conflict, NotFound),
    summary="Give a webhook a new secret; the old ones sign as well for a while.",
)
def rotate_webhook_secret(request: Request) -> WebhookWithSecret:
    found, secret = webhooks.rotate_secret(
        request.user_id,
        request.path["webhook_id"],
        keep_s=request.body.keep_old_hours * 3600.0,
        db=wiring.database(),
    )
    return _with_secret(found, secret)


def _webhook(stored: StoredWebhook) -> Webhook:
    return Webhook(**asdict(stored))


def _with_secret(stored: StoredWebhook, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**asdict(stored), secret=secret)


def _is_local() -> bool:
    return wiring.settings().environment == "local"
