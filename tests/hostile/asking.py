"""The app asked as API Gateway asks it: by events, or over HTTP. Every answer is looked at before it is handed on."""

import base64
import http.client
import inspect
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from chalice.config import Config
from chalice.local import create_local_server

import app
from chalicelib.api.accounts.identity import identify
from chalicelib.api.http.routes import Edge, Route
from tests.support.sample_api import rest_event
from tests.support.world import World

# What a field takes, by its name: enough to fill in whatever a route asks for.
FIELDS = {
    "filename": "a.jpg",
    "content_type": "image/jpeg",
    "size_bytes": 9,
    "email": "eve@example.org",
    "password": "a password that is long",
    "refresh_token": "x",
    "token": "x",
    "current_password": "a password that is long",
    "name": "n",
    "scopes": ["read"],
    "content": "words",
    "item_ids": ["never-was"],
    "concept_id": "words",
    "student_id": "s",
    "exercise_id": "never-was",
    "exercise_ids": ["never-was"],
    "rating": 3,
    "evaluation_id": "never-was",
    "response_text": "words",
    "job_id": "never-was",
    "max_cost_usd": 1,
    "filter": {"state": "failed"},
    "title": "t",
    "parts": [{"number": 1, "etag": "0" * 32}],
    "url": "https://hooks.invalid/",
    "events": ["run.failed"],
}
LOG = b'\n\n\n\n{"exercise_id": "never-was"}'  # of reviews
FITTING = {"n": "1", "file_hash": "0" * 64}
ALSO_NEEDED = {"/api/v1/search": {"query": "words"}, "/api/v1/failures/redrive": {"reason": "never-was"}}


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str]


Ask = Callable[..., Reply]


@pytest.fixture
def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Hand the app API Gateway's event of a request: `ids` for its path, `query`, a `body` as bytes or for JSON."""
    # Limits are counted elsewhere: a thousand requests would be a thousand writes to DynamoDB.
    monkeypatch.setattr(app.app, "edge", lambda: Edge(identify=identify))

    def send(
        method: str,
        path: str,
        *,
        ids: dict[str, str] | None = None,
        query: dict[str, list[str]] | None = None,
        body: Any = None,
        **headers: str,
    ) -> Reply:
        event = rest_event(method, path, multiValueQueryStringParameters=query)
        event["pathParameters"] = {name: quoted(value) for name, value in (ids or {}).items()}
        event["headers"] = {"Content-Type": type_of(body), "Accept": "*/*", **headers}
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        return proper(app.app(event, None), (method, path, ids, query, body))

    return send


@cache
def local_server() -> Any:
    """Start the process's one server: `chalice local` changes the app's class and cannot do it twice."""
    server = create_local_server(app.app, Config.create(), "127.0.0.1", 0).server
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def ask_over_http(ask: Ask) -> Ask:
    """The same through `chalice local`."""
    server = local_server()

    def send(
        method: str,
        path: str,
        *,
        ids: dict[str, str] | None = None,
        query: dict[str, list[str]] | None = None,
        body: Any = None,
    ) -> Reply:
        for name, value in (ids or {}).items():
            path = path.replace(f"{{{name}}}", quoted(value))
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        raw = b"" if body is None else json.dumps(body).encode()
        parameters = f"?{urlencode(query, doseq=True)}" if query else ""
        headers = {"Content-Type": "application/json"} if raw else {}
        connection.request(method, path + parameters, body=raw, headers=headers)
        got = connection.getresponse()
        answer = {"statusCode": got.status, "headers": dict(got.getheaders()), "body": got.read().decode()}
        connection.close()
        return proper(answer, (method, path, body))

    return send


def type_of(body: Any) -> str:
    """Return the media type of what `filled` gives for a route."""
    first = bytes(body[:4]) if isinstance(body, bytes) else b""
    return {b"%PDF": "application/pdf", LOG[:4]: "application/x-ndjson"}.get(first, "application/json")


def quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def proper(answer: dict[str, Any], about: Any) -> Reply:
    """Return an answer that keeps what every answer promises, whatever it was asked."""
    status, text, headers = answer["statusCode"], answer["body"], answer["headers"]
    asked = repr(about)[:400]
    assert status < 500, (status, text, asked)
    raw = {name: value for name, value in headers.items() if not (value.isascii() and value.isprintable())}
    assert not raw, asked
    body = json.loads(text, parse_constant=pytest.fail) if text and text[0] in "{[" else None
    if status >= 400:
        assert headers["Content-Type"] == "application/problem+json", asked
        assert body["status"] == status and body["code"] and body["detail"] and body["request_id"], asked
    return Reply(status=status, body=body, headers=headers)


def filled(route: Route, change: dict[str, Any] | None = None) -> Any:
    """Return a body that the route takes, or that it would but for the change."""
    if route.raw:
        return b"%PDF-1.4 of no pages" if route.raw == "application/pdf" else LOG
    if route.body is None:
        return None
    fields = inspect.signature(route.body).parameters.values()
    needed = [field.name for field in fields if field.default is field.empty]
    return {name: FIELDS[name] for name in needed} | ALSO_NEEDED.get(route.path, {}) | (change or {})


def ids_of(route: Route, value: str) -> dict[str, str]:
    """This value for all that its path names, but for what has a pattern: that fits."""
    return {name: FITTING.get(name, value) for name in re.findall(r"\{(\w+)\+?\}", route.path)}


def names_in(type_: Any) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(type_)) if type_ else ()


def listed(ask: Ask, path: str) -> list[Any]:
    data: list[Any] = []
    query: dict[str, list[str]] = {}
    while True:
        page = ask("GET", path, query=query).body
        data += page["data"]
        if not page["has_more"]:
            return data
        query = {"after": [page["next"]]}
