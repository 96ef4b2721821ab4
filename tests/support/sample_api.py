"""A small app on the HTTP layer, for the tests of the layer itself."""

from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Literal

from chalice.test import Client, HTTPResponse
from msgspec import Meta, Struct, json

from chalicelib import errors
from chalicelib.api.http.entry import App
from chalicelib.api.http.openapi import documented
from chalicelib.api.http.routes import Body, Caller, Edge, Query, Request, Response, Routes

ORIGIN = "https://console.example"
JSON_HEADERS = {"Content-Type": "application/json"}


class Order(Enum):
    NEWEST = "newest"
    OLDEST = "oldest"


class ListThings(Query):
    limit: Annotated[int, Meta(ge=1, le=100, description="At most so many.")] = 20
    kind: tuple[Literal["image", "pdf"], ...] = ()
    tag: list[str] | None = None
    order: Order = Order.NEWEST
    deep: bool = False
    score: float | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    day: date | None = None
    text: str | None = None


class Filters(Body):
    kind: Literal["image", "pdf"] | None = None


class NewThing(Body):
    name: Annotated[str, Meta(min_length=1, max_length=20)]
    filters: Filters = Filters()
    sizes: tuple[int, ...] = ()
    weight: float = 0.0
    anything: Any = None


class Thing(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    at: datetime


class Found(Struct, frozen=True, kw_only=True):
    query: ListThings


class Seen(Struct, frozen=True, kw_only=True):
    id: str
    user_id: str
    request_id: str
    base_url: str


class Existing(Struct, frozen=True, kw_only=True):
    thing: Thing


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
THING = Thing(id="a", name="A", at=AT)
routes = Routes("things")


@routes.get("/health", returns=Thing, public=True, summary="Healthy.")
def get_health(_request: Request) -> Thing:
    return THING


@routes.get("/api/v1/things", query=ListThings, returns=Found, summary="List things.")
def list_things(request: Request) -> Found:
    return Found(query=request.query)


@routes.get("/api/v1/things/{thing_id}", returns=Seen, summary="Get a thing.")
def get_thing(request: Request) -> Seen:
    return Seen(
        id=request.path["thing_id"],
        user_id=request.user_id,
        request_id=request.request_id,
        base_url=request.base_url,
    )


@routes.post(
    "/api/v1/things",
    body=NewThing,
    returns=Thing,
    status=201,
    also={200: Existing},
    errors=(errors.Conflict,),
    summary="Make a thing.",
)
def create_thing(request: Request) -> Thing | Response:
    if request.body.name == "existing":
        return Response(Existing(thing=THING), status=200, headers={"Location": "/api/v1/things/a"})
    return Thing(id="new", name=request.body.name, at=AT)


@routes.delete("/api/v1/things/{thing_id}", summary="Delete a thing.")
def delete_thing(request: Request) -> None:
    return None


@routes.post("/api/v1/errors/{name}", summary="Raise an error.")
def raise_error(request: Request) -> None:
    if request.path["name"] == "ValueError":
        raise ValueError("a secret")
    if request.path["name"] == "Throttled":
        raise errors.Throttled("Slow down.", retry_after_s=17.2)
    raise getattr(errors, request.path["name"])("As it is.")


@routes.get("/api/v1/wrong", returns=Thing, summary="Answer what is not declared.")
def get_wrong(_request: Request) -> Existing:
    return Existing(thing=THING)


@routes.get("/page", returns="text/html; charset=utf-8", public=True, summary="A page.")
def get_page(_request: Request) -> Response:
    return Response("<p>é</p>", headers={"Content-Security-Policy": "default-src 'self'"})


@routes.get("/dot.png", returns="image/png", public=True, summary="A picture.")
def get_dot(_request: Request) -> bytes:
    return b"\x89PNG\xff"


def identify(headers: Any) -> Caller:
    if headers.get("authorization") == "Bearer nobody":
        raise errors.Unauthenticated("Sign in first.")
    return Caller(user_id="ada")


def sample_app(*, cors_origins: tuple[str, ...] = (ORIGIN,)) -> App:
    edge = Edge(identify=identify, cors_origins=lambda: cors_origins)
    app = App(app_name="collections", edge=lambda: edge)
    app.add(routes)
    app.add(documented(app.declared, version="0.1.0"))
    return app


def call(method: str, path: str, *, app: App | None = None, **request: Any) -> HTTPResponse:
    return Client(app or sample_app()).http.request(method, path, **request)


def post(body: bytes | dict[str, Any], **headers: str) -> HTTPResponse:
    """POST /api/v1/things with a JSON body, or with these bytes for one."""
    raw = body if isinstance(body, bytes) else json.encode(body)
    return call("POST", "/api/v1/things", headers={**JSON_HEADERS, **headers}, body=raw)


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Return the problem document of an answer, after checking what every problem has."""
    body = json.decode(answer.body)
    assert (answer.status_code, body["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["title"]
    assert body["detail"]
    return body


def rest_event(method: str, resource: str, **more: Any) -> dict[str, Any]:
    context = {
        "resourcePath": resource,
        "httpMethod": method,
        "path": f"/api{resource}",
        "requestId": "aws-request-id",
        "domainName": "x.execute-api.eu-west-1.amazonaws.com",
    }
    return {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {"X-Forwarded-Proto": "https", "Accept": "*/*"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": None,
        "isBase64Encoded": False,
    } | more


def v2_event(method: str, path: str, **more: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            "requestId": "aws-request-id",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    } | more
