"""Nobody gets at another's: every route of app.py x {own, another's, missing, nobody}.

The routes are read from the app. One that the tables below cannot feed fails these tests: add its path
parameter to `make_ids` and `MISSING`, its body to `BODIES`.
"""

import importlib
import json
import pkgutil
import re
from typing import Any

import pytest

import app
import chalicelib.stores
from chalicelib.api.http.routes import Route
from tests.support.emulated import BUCKET
from tests.support.hall import Asked, Hall, tells_of
from tests.support.hall_routes import MISSING, PRIVATE, PUBLIC, ROUTES, SILENT, requests

MAILS = {"/api/v1/me/email"}
# Numbers and dates, which do not tell whose they are: tests/practice/test_reviews.py shows that they are one's own.
NAMELESS = {f"/api/v1/reviews/{part}" for part in ("forecast", "log", "settings", "streak")}
# In DynamoDB, under their user's key: no condition of SQL's, and no policy, keeps them apart.
SESSIONS = {"/api/v1/sessions", "/api/v1/sessions/current"}


CONDITION = re.compile(r"(?:\b\w+\.)?\b(?:user_id|owner|id) = %\((?:user_id|owner)\)s")


def comparable(asked: Asked) -> Any:
    """Status, headers and body without the request's id and count, and with one name for the ids asked for."""
    headers = {name: value for name, value in asked.headers.items() if name != "RateLimit"}
    text = json.dumps([asked.status, headers, asked.text])
    for value in [asked.headers["X-Request-Id"], *asked.ids.values()]:
        text = text.replace(value, "*")
    return text


def leaks(hall: Hall, routes: list[Route]) -> set[str]:
    """Return the routes where bob gets another response for alice's things than for missing ones, or data of hers."""
    found = set()
    for route in routes:
        theirs, missing = requests(route, hall.ids["alice"]), requests(route, MISSING)
        for (path, body), (no_path, no_body) in zip(theirs, missing, strict=True):
            asked, nothing = hall.ask("bob", route, path, body), hall.ask("bob", route, no_path, no_body)
            same = comparable(asked) == comparable(nothing) if path else asked.status == nothing.status
            if (path and asked.status != 404) or not same or tells_of("alice", asked):
                found.add(asked.name)
    return found


def test_anothers_is_as_missing_as_what_never_was(hall: Hall) -> None:
    before = hall.rows("alice")
    assert leaks(hall, PRIVATE) == set()
    assert hall.rows("alice") == before


def test_every_path_is_declared_but_the_gateways() -> None:
    assert set(app.app.routes) - {route.path for route in ROUTES} == {"/{proxy+}"}


def test_every_route_asks_who_it_is(hall: Hall) -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES if route.public} == PUBLIC
    for route in ROUTES:
        for path, body in requests(route, hall.ids["alice"]):
            nobody, own = hall.ask(None, route, path, body), hall.ask("alice", route, path, body)
            assert not tells_of("alice", nobody) and not tells_of("bob", own), own.name
            if route.public:
                assert nobody.status == own.status, own.name
                continue
            assert (nobody.status, json.loads(nobody.text)["code"]) == (401, "unauthenticated"), own.name
            assert own.status == 403 if route.admin else own.status < 400, own.name
            for key in re.findall(rf"/{BUCKET}/([^?]+)", own.headers.get("Location", "")):
                assert key.startswith(("alice/", "_derived/alice/")), own.name
            # Else the others' silence would mean nothing.
            silent = (route.method, route.path) in SILENT or route.method == "DELETE"
            assert tells_of("alice", own) or route.admin or silent, own.name


@pytest.fixture
def without_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores' statements with every condition on the user taken out."""
    for module in pkgutil.walk_packages(chalicelib.stores.__path__, "chalicelib.stores."):
        statements = getattr(importlib.import_module(module.name), "SQL", {})
        for name, statement in statements.items():
            monkeypatch.setitem(statements, name, CONDITION.sub("true", statement))


def test_without_the_apps_own_conditions_there_is_still_no_leak(hall: Hall, without_where: None) -> None:
    before = hall.rows("alice")
    assert leaks(hall, PRIVATE) == set()
    assert hall.rows("alice") == before


def test_without_the_policies_as_well_every_route_leaks(hall: Hall, without_where: None) -> None:
    """So the conditions that the test above removes, and the policies, are all the protection that there is."""
    tables = hall.world.sql("SELECT relname FROM pg_class WHERE relrowsecurity")
    hall.world.sql("; ".join(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for (table,) in tables))
    assert {name.split()[1] for name in leaks(hall, PRIVATE)} == {
        route.path for route in PRIVATE
    } - SESSIONS - MAILS - NAMELESS
