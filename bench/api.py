"""Measures the HTTP layer: warm CPU microseconds per request beyond a bare Chalice route, in one process and run.

python -m bench.api
"""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
from chalice import Chalice

from bench.figures import note
from chalicelib.api.http.entry import App
from chalicelib.api.http.routes import Body, Caller, Edge, Query, Request, Routes

ROUNDS = 60
CALLS = 100
HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "Host": "x.execute-api.eu-west-1.amazonaws.com",
    "Origin": "https://console.example",
    "User-Agent": "bench",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}


class ListThings(Query):
    limit: int = 20
    kind: tuple[str, ...] = ()


class Search(Body):
    query: str
    limit: int = 20
    kinds: tuple[str, ...] = ()


class Thing(msgspec.Struct, frozen=True):
    id: str
    name: str


def bare_app() -> Chalice:
    app = Chalice(app_name="bare", configure_logs=False)

    @app.route("/things/{thing_id}")
    def get_thing(thing_id: str) -> dict[str, str]:
        return {"id": thing_id, "name": "a thing"}

    @app.route("/search", methods=["POST"])
    def search() -> dict[str, str]:
        return {"id": app.current_request.json_body["query"], "name": "a thing"}

    return app


def our_app() -> App:
    routes = Routes("bench")

    @routes.get("/things/{thing_id}", query=ListThings, returns=Thing, summary="Get.")
    def get_thing(request: Request) -> Thing:
        return Thing(request.path["thing_id"], "a thing")

    @routes.post("/search", body=Search, returns=Thing, summary="Search.")
    def search(request: Request) -> Thing:
        return Thing(request.body.query, "a thing")

    edge = Edge(
        identify=lambda headers: Caller(user_id="ada"), cors_origins=lambda: ("https://console.example",)
    )
    app = App(app_name="ours", edge=lambda: edge)
    app.add(routes)
    return app


def event(method: str, resource: str, **more: Any) -> dict[str, Any]:
    context = {"resourcePath": resource, "httpMethod": method, "path": resource, "requestId": "id"}
    return {
        "path": resource,
        "headers": HEADERS,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": None,
    } | more


def seconds_a_call(app: Chalice, make: Callable[[], dict[str, Any]]) -> float:
    """Return the seconds per call, over CALLS calls. Each call has its own event, made before the clock starts."""
    events = [make() for _ in range(CALLS)]
    started = time.process_time()
    for one in events:
        answer = app(one, None)
    elapsed = time.process_time() - started
    if answer["statusCode"] != 200:
        raise RuntimeError(answer["body"])
    return elapsed / CALLS


def main() -> bool:
    """Print the figures of both requests. Return whether both are as good as stated."""
    query = {"limit": ["5"], "kind": ["image", "pdf"]}
    body = json.dumps({"query": "harbour at night", "limit": 10, "kinds": ["image"]})
    requests = {
        "GET  path, query": lambda: event(
            "GET",
            "/things/{thing_id}",
            pathParameters={"thing_id": "a"},
            multiValueQueryStringParameters=query,
        ),
        "POST JSON body": lambda: event("POST", "/search", body=body),
    }
    bare, ours = bare_app(), our_app()
    within = True
    for name, make in requests.items():
        pairs = [(seconds_a_call(bare, make), seconds_a_call(ours, make)) for _ in range(ROUNDS)]
        bare_us, ours_us = (min(column) * 1e6 for column in zip(*pairs, strict=True))
        over_us = ours_us - bare_us
        within &= note(f"api.{name[:4].strip().lower()}_over_us", over_us)
        print(
            f"{name:18} bare {bare_us:5.1f} us  ours {ours_us:5.1f} us  x{ours_us / bare_us:.2f}"
            f"  over {over_us:5.1f} us"
        )
    return within


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
