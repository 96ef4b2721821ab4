"""Behind a custom domain's base path: REST API events have it in their path, and no route of ours has."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.http.v2_events import completed
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from tests.support.sample_api import sample_app
from tests.support.upstreams import gateway_app, problem_of, raw_upstream, rest_event, service

EVENT = (Path(__file__).parents[1] / "support" / "events" / "rest_v1_custom_domain.json").read_text()
BASE = "/services/v1"
USERS = GatewayRoute(upstream="user", prefix="/users")


def custom_domain(path: str, *, resource: str = "/{proxy+}", base: str = BASE, **parameters: str) -> Any:
    """Return the recorded event with another path, resource, base path and parameters."""
    event = json.loads(EVENT)
    event |= {"path": base + path, "resource": resource, "pathParameters": parameters or None}
    event["requestContext"] |= {"path": base + path, "resourcePath": resource}
    return event


@pytest.mark.parametrize("proxy", ["users/a%2Fb", "users/a/b"], ids=["as sent", "decoded"])
@pytest.mark.parametrize("base", ["", "/v1", "/services/v1", "/users", "/v1.$-_+!*'()"])
def test_a_request_reaches_its_upstream(proxy: str, base: str) -> None:
    with raw_upstream() as there:
        app = gateway_app(service("user", there.url), routes=[USERS])
        answer = app(custom_domain("/users/a%2Fb", base=base, proxy=proxy), None)
    assert answer["statusCode"] == 200
    assert there.requests[0].startswith(b"GET /users/a%2Fb HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("path", "proxy", "own"),
    [
        ("/v1/users/", "users/", "/users/"),
        ("/v1/users/", "users", "/users/"),
        ("/v1/users//a", "users//a", "/users//a"),
        ("/v1/caf%C3%A9", "café", "/caf%C3%A9"),
        ("/users", "users", "/users"),
        ("//users", "users", "//users"),
        ("/v1//users", "users", "/v1//users"),
        ("/v1/users", "products", "/v1/users"),
        ("/v1/users", "sers", "/v1/users"),
        ("/v1/", "", "/v1/"),
    ],
)
def test_the_greedy_parameter_says_where_the_base_path_ends(path: str, proxy: str, own: str) -> None:
    assert completed(custom_domain(path, base="", proxy=proxy))["path"] == own


def test_a_base_path_gives_nobody_what_is_anothers() -> None:
    """Nor may a caller choose one: it is what API Gateway's own parameter leaves over."""
    with raw_upstream() as there:
        app = gateway_app(service("user", there.url), routes=[USERS])
        for path, proxy in [("/users", "v1/users"), ("/users/..", "users/.."), ("//users", "users")]:
            answer = app(custom_domain(path, base="/v1", proxy=proxy), None)
            assert problem_of(answer)[0] in (400, 404), path
        anywhere = rest_event("GET", "/any/users")
        assert problem_of(app(anywhere, None))[0] == 404
    assert there.connections == 0


@pytest.mark.parametrize("base", ["", "/v1", "/services/v1"])
def test_links_have_the_base_path(base: str) -> None:
    event = custom_domain("/api/v1/things/a", resource="/api/v1/things/{thing_id}", base=base, thing_id="a")
    # One segment, whatever is in it.
    event["path"] = event["requestContext"]["path"] = f"{base}/api/v1/things/a%2Fb"
    answer = sample_app()(event, None)
    assert json.loads(answer["body"])["base_url"] == f"https://api.example.com{base}"
    event = custom_domain("/", resource="/", base=base)
    assert completed(event)["path"] == "/"
