"""Routes of API keys for scripts. A key is shown once and never stored, not even with an Idempotency-Key."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Body, ListQuery, Request, Routes
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.accounts.api_keys import Scope
from chalicelib.ops.accounts import api_keys

routes = Routes("api keys")


class NewKey(Body, frozen=True, kw_only=True):
    """Scopes: `read` is for GET and search, `write` for changes, `account` for the account itself: its name, password,
    sessions and keys. `admin` is for administrators' routes; only they can give it. No scope includes another. A key
    that is made with a key has no other scopes than that one, and ends no later. A user can have 50 unexpired keys.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=4)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `prefix` has its first characters. `last_used_at` is right to a minute."""

    object: Literal["api_key"] = "api_key"
    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedKey(ApiKey, frozen=True, kw_only=True):
    """A new key. `key` is shown only now; send it as X-Api-Key or as a Bearer token."""

    key: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ApiKey]
    has_more: bool
    next: str | None


@routes.post(
    "/api/v1/api-keys",
    body=NewKey,
    returns=CreatedKey,
    status=201,
    scope="account",
    errors=(Conflict,),
    summary="Make an API key; it is shown once.",
)
def create_api_key(request: Request) -> CreatedKey:
    body, caller = request.body, request.caller
    assert caller is not None, "no public route"
    stored, key = api_keys.create_key(
        request.user_id,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        own_scopes=caller.effective_scopes,
        own_end=caller.ends_at,
        now=datetime.now(UTC),
        db=wiring.database(),
    )
    return CreatedKey(**asdict(stored), key=key)


@routes.get("/api/v1/api-keys", query=ListQuery, returns=KeyList, summary="List your API keys, newest first.")
def list_api_keys(request: Request) -> KeyList:
    query: ListQuery = request.query
    found, cursor = api_keys.list_keys(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    return KeyList(data=[ApiKey(**asdict(each)) for each in found], has_more=cursor is not None, next=cursor)


@routes.delete(
    "/api/v1/api-keys/{key_id}",
    scope="account",
    errors=(NotFound,),
    summary="Revoke an API key; it is refused from the next request on.",
)
def revoke_api_key(request: Request) -> None:
    api_keys.revoke_key(request.user_id, request.path["key_id"], db=wiring.database())
