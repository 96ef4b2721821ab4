"""Access to routes of the gateway, and paths that are served nowhere."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import app as deployed
from chalicelib import wiring
from chalicelib.api.http.routes import Caller, Edge
from chalicelib.errors import RateLimited, Unauthenticated
from chalicelib.model.accounts.limits import Admission, Limit, LimitState
from chalicelib.model.gateway.gateway_routes import ALL, METHODS, ROUTES, GatewayRoute, match_route
from tests.support.gateway_table import SIGNED_IN, TABLE, ask_upstream, header
from tests.support.upstreams import (
    ORIGIN,
    SECRET,
    RawUpstream,
    answering,
    body_of,
    gateway_app,
    key_of,
    problem_of,
    raw_upstream,
    rest_event,
    service,
    v2_event,
    verified,
)
from tests.support.world import World

# Whom it lets through


@pytest.mark.parametrize(
    ("path", "user", "status"),
    [
        ("/open", None, 200),
        ("/open", "alice", 200),
        ("/users", None, 401),
        ("/users", "alice", 200),
        ("/admin/x", None, 401),
        ("/admin/x", "alice", 403),
        ("/admin/x", "admin", 200),
    ],
)
def test_who_may_ask(there: RawUpstream, path: str, user: str | None, status: int) -> None:
    answer = ask_upstream(there, "GET", path, user=user)
    assert answer["statusCode"] == status
    assert there.connections == (1 if status == 200 else 0)
    if status != 200:
        problem_of(answer)


@pytest.mark.parametrize(
    ("scopes", "method", "status"),
    [
        ({"read"}, "GET", 200),
        ({"read"}, "HEAD", 200),
        ({"read"}, "POST", 403),
        ({"read"}, "DELETE", 403),
        ({"write"}, "POST", 200),
        ({"write"}, "GET", 403),
    ],
)
def test_an_api_keys_scopes(there: RawUpstream, scopes: Any, method: str, status: int) -> None:
    app = gateway_app(service("user", there.url), routes=TABLE)
    caller = Caller(user_id="alice", scopes=frozenset(scopes))
    app.edge = lambda: Edge(identify=lambda _headers: caller)
    assert app(rest_event(method, "/users"), None)["statusCode"] == status


def test_a_request_is_counted_against_its_user_or_without_one_against_its_address(there: RawUpstream) -> None:
    limit = Limit(name="address", quota=10, window_s=60)
    counted: list[str] = []

    def admit(key: str) -> Admission:
        counted.append(key)
        state = LimitState(limit=limit, remaining=9, more_us=6_000_000)
        return Admission(states=(state,), retry_after_us=0, admitted=True)

    there.answer = lambda _: [answering("200 OK", b"", 'RateLimit: "theirs";r=1;t=1')]
    app = gateway_app(service("user", there.url), routes=TABLE)

    def identify(headers: Mapping[str, str]) -> Caller:
        if "authorization" not in headers:
            raise Unauthenticated("Sign in first.")
        return Caller(user_id="alice")

    app.edge = lambda: Edge(
        identify=identify,
        admit_address=lambda address, _cost: admit(address),
        admit_caller=lambda caller, _cost: admit(caller.user_id),
    )
    answer = app(rest_event("GET", "/users"), None)
    assert counted == ["alice"]
    assert answer["headers"]["RateLimit"] == '"address";r=9;t=6'
    assert "theirs" not in json.dumps(answer["headers"])
    for path in ("/open", "/users"):
        app(rest_event("GET", path, user=None), None)
    assert counted[1:] == ["192.0.2.7", "192.0.2.7"]


def test_who_asks_too_often_reaches_no_upstream(there: RawUpstream) -> None:
    limit = Limit(name="address", quota=1, window_s=60)
    state = LimitState(limit=limit, remaining=0, more_us=6_000_000)

    def refuse(*_: Any) -> Admission:
        refusal = Admission(states=(state,), retry_after_us=6_000_000, admitted=False)
        raise RateLimited("Slow down.", retry_after_s=6, admission=refusal)

    app = gateway_app(service("user", there.url), routes=TABLE)
    refusing = {"admit_address": refuse}, {"admit_caller": refuse}, {"refuse_address": refuse}
    for path, more in zip(("/open", "/users", "/users"), refusing, strict=True):
        app.edge = lambda more=more: Edge(identify=lambda _: Caller(user_id="alice"), **more)  # type: ignore[misc]
        answer = app(rest_event("GET", path), None)
        assert problem_of(answer)[0] == 429
        assert (answer["headers"]["Retry-After"], answer["headers"]["RateLimit"]) == (
            "6",
            '"address";r=0;t=6',
        )
    assert there.connections == 0


# What an upstream is told


# Routes and methods


def test_the_longest_prefix_wins_and_a_method_is_allowed_or_not(there: RawUpstream) -> None:
    assert ask_upstream(there, "GET", "/users/public/x", user=None)["statusCode"] == 200
    answer = ask_upstream(there, "DELETE", "/users/public/x")
    assert problem_of(answer) == (405, "method_not_allowed")
    assert answer["headers"]["Allow"] == "GET, HEAD, OPTIONS"
    assert ask_upstream(there, "DELETE", "/users/other")["statusCode"] == 200
    assert match_route("/users/publicity", TABLE) is SIGNED_IN


BELOW = GatewayRoute(upstream="user", prefix="/users/admin", roles=frozenset({"admin"}))


@pytest.mark.parametrize(
    "path",
    [
        *("/users/%61dmin", "/users/%61dmin/x", "/users/%2561dmin", "/users//admin", "/users/Admin"),
        *("/users/admin;x", "/users/admin;x/y", "/users/admin%3Bx", "/users%2Fadmin", "/users/admin%00"),
        *("/users/\\admin", "/users/%5Cadmin", "/users/admin%2Fx"),
    ],
)
def test_no_spelling_of_a_path_gets_round_a_routes_roles(there: RawUpstream, path: str) -> None:
    app = gateway_app(service("user", there.url), routes=[SIGNED_IN, BELOW])
    assert problem_of(app(rest_event("GET", path), None)) == (404, "not_found")
    assert problem_of(app(rest_event("GET", "/users/admin"), None))[0] == 403
    assert there.connections == 0
    for path in ("/users/administrators", "/users/a/admin", "/users/admin.json", "/users//a%2Fb;x"):
        assert app(rest_event("GET", path), None)["statusCode"] == 200, path


def test_a_preflight_is_ours_unless_the_route_passes_it_on(there: RawUpstream) -> None:
    there.answer = lambda _: [
        answering("204 No Content", b"", "Access-Control-Allow-Origin: https://theirs.example")
    ]
    asking = {"user": None, "headers": [("Origin", ORIGIN)]}
    ours = ask_upstream(there, "OPTIONS", "/users/public", **asking)
    assert (ours["statusCode"], there.connections) == (204, 0)
    assert ours["headers"]["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert ours["headers"]["Access-Control-Allow-Origin"] == ORIGIN
    theirs = ask_upstream(there, "OPTIONS", "/own-cors", **asking)
    assert there.connections == 1
    assert theirs["headers"]["Access-Control-Allow-Origin"] == "https://theirs.example"


def test_errors_have_cors_headers_too(there: RawUpstream) -> None:
    answer = ask_upstream(there, "GET", "/users", user=None, headers=[("Origin", ORIGIN)])
    assert (answer["statusCode"], answer["headers"]["Access-Control-Allow-Origin"]) == (401, ORIGIN)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/nowhere", "/users", "/api/v1/unknown", "/proxy+"])
def test_without_an_upstream_there_is_nothing(method: str, path: str) -> None:
    answer = gateway_app()(rest_event(method, path), None)
    assert answer["statusCode"] == 404
    if method != "HEAD":
        assert problem_of(answer) == (404, "not_found")


def test_every_declared_route_goes_before_the_gateway() -> None:
    """Also behind an HTTP API, which knows of no routes, and with a table that claims everything."""
    everything = GatewayRoute(upstream="user", prefix="", public=True)
    with raw_upstream() as there:
        app = gateway_app(service("user", there.url), routes=[everything])
        for route in deployed.app.declared:
            app.declared.append(route)
            app.route(route.path, methods=[route.method], name=route.handler.__name__)(
                lambda **_: {"ours": True}
            )
        for route in deployed.app.declared:
            path = route.path.replace("{", "").replace("}", "")
            answer = app(v2_event(route.method, path), None)
            assert json.loads(answer["body"]) == {"ours": True}, route.path
        assert there.connections == 0
        assert app(v2_event("GET", "/anything/else"), None)["statusCode"] == 200


def test_the_guides_upstreams_are_in_the_table() -> None:
    assert {route.upstream for route in ROUTES} == {"user", "product", "admin"}
    assert all(route.timeout_s <= 25 for route in ROUTES)
    declared = [route.path for route in deployed.app.declared]
    for route in ROUTES:
        assert route.prefix.startswith("/")
        assert not route.prefix.endswith("/")
        assert match_route("/" + route.prefix.strip("/"), ROUTES) is route
        assert not [path for path in declared if f"{path}/".startswith(f"{route.prefix}/")]


# The deployed app, with an upstream in its environment


@pytest.fixture
def live(world: World, there: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawUpstream]:
    for name in ("USER", "PRODUCT", "ADMIN"):
        monkeypatch.setenv(f"UPSTREAM_{name}_SERVICE_URL", there.url)
    monkeypatch.setenv("UPSTREAM_IDENTITY_SECRET", SECRET)
    world.make_tables()
    wiring.settings.forget()
    wiring.upstreams.forget()
    deployed.edge.cache_clear()
    yield there
    wiring.upstreams.forget()
    deployed.edge.cache_clear()


def be(user: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "local" if user == "admin" else "dev")
    monkeypatch.setenv("ANONYMOUS_USER", user or "")
    wiring.settings.forget()
    deployed.edge.cache_clear()


@pytest.mark.parametrize("prefix", [route.prefix for route in ROUTES])
def test_the_matrix_of_routes_methods_and_callers(
    live: RawUpstream, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """Own, another's, nobody: what arrives is said to be of the caller and of nobody else, or does not arrive."""
    wiring.upstreams()  # made while this is a laptop, which may connect to itself
    path = f"{prefix}/alice/secret"
    name = next(route.upstream for route in ROUTES if route.prefix == prefix)
    sent = {"method": "", "path": path.removeprefix(prefix) if prefix == "/admin" else path}
    for user in ("alice", "bob", None, "admin"):
        be(user, monkeypatch)
        allowed = user is not None and (user == "admin" or prefix != "/admin")
        for method in sorted(ALL):
            before = live.connections
            answer = deployed.app(rest_event(method, path, user=None), None)
            assert answer["statusCode"] == (200 if allowed else 403 if user else 401)
            assert live.connections == before + allowed
            if allowed:
                given = header(live, "X-Collections-Identity") or ""
                claims = verified(given, key_of(name), audience=name, **sent | {"method": method})
                assert claims["sub"] == user


def test_a_kept_answer_of_alices_is_never_bobs(live: RawUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    wiring.upstreams()
    for who in ("alice", "bob", "alice"):
        be(who, monkeypatch)
        if live.connections < 2:
            body = f"{who}secret".encode()
            live.answer = lambda _, body=body: [answering("200 OK", body, "Cache-Control: max-age=60")]  # type: ignore[misc]
        answer = deployed.app(rest_event("GET", "/products/1", user=None), None)
        assert body_of(answer) == f"{who}secret".encode()
    assert live.connections == 2
    be(None, monkeypatch)
    with pytest.raises(Unauthenticated):
        deployed.identify({})
    assert deployed.app(rest_event("GET", "/products/1", user=None), None)["statusCode"] == 401
