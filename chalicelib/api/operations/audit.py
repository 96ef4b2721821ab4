"""The audit log: what operators and administrators did, for administrators; it is written before each action."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import Query, Request, Route, Routes
from chalicelib.ops.operations import audit

routes = Routes("audit")


class ListActions(Query, frozen=True, kw_only=True):
    """`after`: the `next` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A request of an administrator; it may have been refused afterwards.

    An administrator's has `actor`, their user id, and `detail`, the request's parameters as JSON. An operator's has
    neither; CloudTrail knows who called the operating function, by `request_id`.
    """

    id: int
    at: datetime
    by: Literal["administrator", "operator"]
    action: str
    actor: str | None
    email: str | None
    detail: str | None
    request_id: str


class ActionList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Action]
    has_more: bool
    next: int | None


@routes.get(
    "/api/v1/audit",
    query=ListActions,
    returns=ActionList,
    admin=True,
    summary="List what operators and administrators have asked for, newest first.",
)
def list_actions(request: Request) -> ActionList:
    query: ListActions = request.query
    found, following = audit.list_actions(before=query.after, limit=query.limit, db=wiring.database())
    actions = [
        Action(
            id=each.id,
            at=each.at,
            by="administrator" if each.actor else "operator",
            action=each.command,
            actor=each.actor,
            email=each.email,
            detail=each.detail,
            request_id=each.request_id,
        )
        for each in found
    ]
    return ActionList(data=actions, has_more=following is not None, next=following)


def keep(route: Route, request: Request) -> None:
    """Keep an administrator's action; the edge calls this before the route's handler."""
    audit.record_request(
        route.handler.__name__,
        {"path": request.path, "body": request.body},
        user_id=request.user_id,
        request_id=request.request_id,
        db=wiring.database(),
    )
