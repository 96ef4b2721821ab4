"""Routes of sessions: sign in, refresh, list, sign out. They take no Idempotency-Key, as tokens are never stored."""

from datetime import UTC, datetime
from time import time, time_ns
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.accounts.limits import admit_login
from chalicelib.api.http.fields import Email, Password
from chalicelib.api.http.routes import Body, Query, Request, Routes
from chalicelib.errors import NotFound, Unauthenticated
from chalicelib.model.accounts.sessions import MAX_USER_AGENT_CHARS, Device
from chalicelib.model.accounts.sessions import Session as Found
from chalicelib.model.text import UNSTORABLE
from chalicelib.ops.accounts import sessions

routes = Routes("sessions")


class Login(Body, frozen=True, kw_only=True):
    email: Email
    password: Password


class Refresh(Body, frozen=True, kw_only=True):
    refresh_token: Annotated[str, Meta(min_length=1, max_length=400)]


class NewTokens(msgspec.Struct, frozen=True, kw_only=True):
    """New tokens. Send `access_token` as a Bearer token.

    `refresh_token` is valid once; a second use ends the session.
    """

    object: Literal["tokens"] = "tokens"
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  its kind
    access_token: str
    expires_in: Annotated[int, Meta(description="Seconds until the access token expires.")]
    refresh_token: str
    session_id: str
    session_expires_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session. `current`: this request belongs to it. `last_used_at` is the time of the last refresh."""

    object: Literal["session"] = "session"
    id: str
    current: bool
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Session]
    has_more: bool
    next: str | None


class ListSessions(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(pattern="^[0-9a-f]{44}$")] | None = None


@routes.post(
    "/api/v1/sessions",
    body=Login,
    returns=NewTokens,
    status=201,
    errors=(Unauthenticated,),
    public=True,
    cost="login",
    summary="Sign in.",
)
def log_in(request: Request) -> NewTokens:
    admit_login(request.body.email, request.address)
    user_agent = UNSTORABLE.sub("", request.headers.get("user-agent", ""))[:MAX_USER_AGENT_CHARS]
    return _shown(
        sessions.log_in(
            request.body.email,
            request.body.password,
            device=Device(user_agent=user_agent, address=request.address),
            now_ms=time_ns() // 1_000_000,
            db=wiring.database(),
            sessions=wiring.sessions(),
            signing=wiring.signing(),
        )
    )


@routes.post(
    "/api/v1/sessions/refresh",
    body=Refresh,
    returns=NewTokens,
    errors=(Unauthenticated,),
    public=True,
    summary="Get new tokens for a refresh token.",
)
def refresh_session(request: Request) -> NewTokens:
    return _shown(
        sessions.refresh(
            request.body.refresh_token,
            now_s=int(time()),
            db=wiring.database(),
            sessions=wiring.sessions(),
            signing=wiring.signing(),
        )
    )


@routes.get(
    "/api/v1/sessions", query=ListSessions, returns=SessionList, summary="List where you are signed in."
)
def list_sessions(request: Request) -> SessionList:
    query: ListSessions = request.query
    found, cursor = sessions.list_sessions(
        request.user_id, after=query.after, limit=query.limit, now_s=int(time()), sessions=wiring.sessions()
    )
    current = request.caller.session_id if request.caller else None
    data = [_session(each, current=each.id == current) for each in found]
    return SessionList(data=data, has_more=cursor is not None, next=cursor)


@routes.delete(
    "/api/v1/sessions/current",
    scope="account",
    errors=(NotFound,),
    summary="Sign out; the session's tokens are refused from now on.",
)
def end_session(request: Request) -> None:
    if request.caller is None or request.caller.session_id is None:
        raise NotFound("This request belongs to no session.", code="no_session")
    sessions.end(request.user_id, request.caller.session_id, sessions=wiring.sessions())


@routes.delete(
    "/api/v1/sessions",
    scope="account",
    summary="Sign out everywhere, here too; all tokens are refused from now on.",
)
def end_all_sessions(request: Request) -> None:
    sessions.end_all(request.user_id, now_s=int(time()), sessions=wiring.sessions())


def _shown(tokens: "sessions.Tokens") -> NewTokens:
    return NewTokens(
        access_token=tokens.access_token,
        expires_in=tokens.expires_in_s,
        refresh_token=tokens.refresh_token,
        session_id=tokens.session_id,
        session_expires_at=datetime.fromtimestamp(tokens.session_expires_at, UTC),
    )


def _session(found: Found, *, current: bool) -> Session:
    return Session(
        id=found.id,
        current=current,
        user_agent=found.user_agent,
        address=found.address,
        created_at=datetime.fromtimestamp(found.created_at, UTC),
        last_used_at=datetime.fromtimestamp(found.last_used_at, UTC),
        expires_at=datetime.fromtimestamp(found.expires_at, UTC),
    )
