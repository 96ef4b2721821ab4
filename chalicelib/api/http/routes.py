"""Declares endpoints. Parameters, bodies and responses are declared once, for answering.py and for openapi.py.

    routes = Routes("items")                      # one per module; app.py does app.add(items.routes)

    class ListItems(Query):                       # query parameters; a tuple or list may be repeated
        limit: Annotated[int, Meta(ge=1, le=100)] = 20
        kind: tuple[Kind, ...] = ()

    @routes.get("/api/v1/items", query=ListItems, returns=ItemList, summary="List items, newest first.")
    def list_items(request: Request) -> ItemList:
        return shape_list(find_items(request.user_id, limit=request.query.limit, ...))

    @routes.post("/api/v1/uploads", body=NewUpload, returns=Upload, status=201, also={200: Existing},
                 errors=(TooLarge,), keyed=True, summary="...")
    def create_upload(request: Request) -> Response | Upload:
        return Response(Existing(...), status=200, headers={"Location": ...})  # a status of `also`, any header

A handler returns a value of the type `returns` names (a Struct, encoded as JSON with the
declared status), a Response, or None (204, or `status`). `returns="text/html; charset=utf-8"` declares a
media type instead: the handler returns str, or bytes for what API Gateway treats as binary.
`raw="application/pdf"` declares a body that is the file itself: `request.body` has its bytes. `patterns` are regular
expressions of path parameters; a parameter that does not match is InvalidInput.
A CollectionsError becomes a problem (problems.py), any other error a 500 without details. entry.py adds the headers of
all responses (request id, CORS, no-store, nosniff).
`Edge.identify` finds the caller by the headers before the handler is called, except for `public=True`.
`admin=True` is for administrators. `scope` is the scope that an API key needs. Without it: "read" for GET, "admin" for
administrators' routes, else "write".
`keyed=True`: the route takes an Idempotency-Key (idempotency.py). All routes that create something do.
`may_run=True`: the route takes `Prefer: respond-async`; `also` then has 202, a run.
`always=True`: the route responds whatever the settings are, and so no other origin may read the response.
`cost` is the request's cost against the rate limits (model/accounts/limits.py), "plain" if it is not declared.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.errors import CollectionsError
from chalicelib.model.accounts.api_keys import Scope
from chalicelib.model.accounts.limits import Admission, Cost

JSON = "application/json"
Handler = Callable[["Request"], Any]
ALL_SCOPES: frozenset[Scope] = frozenset({"read", "write", "account", "admin"})


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of declared query parameters."""


class ListQuery(Query, frozen=True, kw_only=True):
    """Base of the query of a list in pages. `after` is `next` of the page before; it is left out for the first page."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(max_length=1024)] | None = None


class AnyQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Base of the query of pages that links lead to: unknown parameters are ignored."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of declared JSON bodies and of the objects in them."""


class Caller(Struct, frozen=True, kw_only=True):
    """The user who sent the request. An admin may use the routes that are declared `admin=True`.

    `scopes` are those of the API key; a signed-in user has all scopes of their role. `ends_at` is when the API key
    ends, None when it does not. `session_id` is None unless the user is signed in by a session. `signed_in_at` is
    when an outside issuer saw the user sign in (seconds since 1970), if it says so.
    """

    user_id: str
    is_admin: bool = False
    plan: str = "free"
    scopes: frozenset[Scope] = ALL_SCOPES
    session_id: str | None = None
    signed_in_at: int | None = None
    ends_at: datetime | None = None

    @property
    def effective_scopes(self) -> frozenset[Scope]:
        """Return the scopes that have an effect: `admin` has none for a user who is not an administrator."""
        return self.scopes if self.is_admin else self.scopes - {"admin"}


class Edge(Struct, frozen=True, kw_only=True):
    """The functions that app.py gives to the HTTP edge.

    `identify` returns the caller of a request's headers; it raises Unauthenticated. `admit_address` counts a request
    against an address, `admit_caller` against a caller; `refuse_address` refuses an address that this process knows to
    have reached its limit, and counts nothing. The three raise RateLimited. `keep` writes down what an
    administrator is about to do, for the audit log.
    """

    identify: Callable[[Mapping[str, str]], Caller]
    cors_origins: Callable[[], tuple[str, ...]] = tuple
    admit_address: Callable[[str, Cost], Admission | None] = lambda _address, _cost: None
    admit_caller: Callable[[Caller, Cost], Admission | None] = lambda _caller, _cost: None
    keep: Callable[["Route", "Request"], None] = lambda _route, _request: None
    refuse_address: Callable[[str], None] = lambda _address: None


class Request(Struct, frozen=True, kw_only=True):
    """A parsed request: `path` unquoted, `query` and `body` of their declared types, `headers` of any case.

    `user_id` is "" and `caller` None on a public route. `base_url` has no slash at its end. `creation_id` is
    the id for what the request creates; it is the same if the request is repeated under its Idempotency-Key. `address`
    is the client's address as API Gateway saw it.
    """

    path: dict[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    user_id: str
    request_id: str
    base_url: str
    creation_id: UUID
    caller: Caller | None = None
    address: str = ""


class Response(Struct, frozen=True):
    """A response with another status or more headers than the route declares."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Route(Struct, frozen=True, kw_only=True):
    """A declared endpoint. `returns` is a type, a media type, or None for no body."""

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    query: type[Query] | None
    body: type[Body] | None
    raw: str | None
    patterns: Mapping[str, str]
    returns: Any
    status: int
    also: Mapping[int, Any]
    errors: tuple[type[CollectionsError], ...]
    public: bool
    admin: bool
    keyed: bool
    may_run: bool
    always: bool
    scope: Scope
    cost: Cost
    max_body_bytes: int


class Routes:
    """The endpoints that a module declares; App.add serves them."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.declared: list[Route] = []

    def get(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        return self._route("GET", path, **declaration)

    def post(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        return self._route("POST", path, **declaration)

    def put(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        return self._route("PUT", path, **declaration)

    def patch(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        return self._route("PATCH", path, **declaration)

    def delete(self, path: str, **declaration: Any) -> Callable[[Handler], Handler]:
        return self._route("DELETE", path, **declaration)

    def _route(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        query: type[Query] | None = None,
        body: type[Body] | None = None,
        raw: str | None = None,
        patterns: Mapping[str, str] | None = None,
        returns: Any = None,
        status: int | None = None,
        also: Mapping[int, Any] | None = None,
        errors: tuple[type[CollectionsError], ...] = (),
        public: bool = False,
        admin: bool = False,
        keyed: bool = False,
        may_run: bool = False,
        always: bool = False,
        scope: Scope | None = None,
        cost: Cost = "plain",
        max_body_bytes: int = 1_000_000,
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            route = Route(
                method=method,
                path=path,
                handler=handler,
                tag=self.tag,
                summary=summary,
                query=query,
                body=body,
                raw=raw,
                patterns=patterns or {},
                returns=returns,
                status=status or (204 if returns is None else 200),
                also=also or {},
                errors=errors,
                public=public,
                admin=admin,
                keyed=keyed,
                may_run=may_run,
                always=always,
                scope=scope or ("admin" if admin else "read" if method == "GET" else "write"),
                cost=cost,
                max_body_bytes=max_body_bytes,
            )
            self.declared.append(route)
            return handler

        return declare
