"""Hostile strings through every way in: answered as they should be, and stored only where they belong."""

import http.client
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import app
from chalicelib.api.http.routes import AnyQuery, Route
from chalicelib.model.paging import encode_cursor
from tests.hostile.asking import FIELDS, Ask, Reply, filled, ids_of, listed, names_in
from tests.hostile.strings import (
    FORBIDDEN_MEMBERS,
    IMPOSSIBLE_KEYS,
    MAX_KEY_BYTES,
    NAMES,
    TEXTS,
    forged_cursors,
    random_texts,
)
from tests.support.world import World, jpeg

Some = Callable[[list[Any]], list[Any]]
UNKNOWN_ID = "never-was"
ROUTES = app.app.declared
NEW_UPLOAD = {name: FIELDS[name] for name in ("filename", "content_type", "size_bytes")}
DISPOSITION = re.compile(
    r"attachment; filename=\"[ !#-\[\]-~]*\"; filename\*=UTF-8''(?P<name>[\w%.~-]*)\Z", re.ASCII
)
BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b'{"limit": NaN}',
    b'{"limit": -Infinity}',
    b'{"limit": 1e999}',
    b'{"limit": ' + b"9" * 5_000 + b"}",
    b'{"a": ' * 10_000 + b"1" + b"}" * 10_000,
    b"[" * 500_000,
    b'{"a": 1, "a": 2}',
    b'{"\\ud800": 1}',
    b'{"\\u0000": "\\udfff"}',
    b'{"__proto__": {"a": 1}}',
    b'{"' + b"k" * 900_000 + b'": 1}',
]


# Keys and names


@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_every_item_is_reached_by_the_id_that_the_api_gives_out(
    world: World, ask_over_http: Ask, share: int
) -> None:
    ask = ask_over_http
    longest = max(NAMES, key=lambda name: len(name.encode()))
    names = sorted({*NAMES[::share], longest})
    secret = jpeg("black")
    world.ingest("bob/secret.jpg", secret)
    bodies = {f"alice/{name}": jpeg(size=(40 + number, 40)) for number, name in enumerate(names)}
    assert max(len(key.encode()) for key in bodies) == MAX_KEY_BYTES
    world.run(*[world.put(key, body) for key, body in bodies.items()])
    items = listed(ask, "/api/v1/items")
    assert len(items) == len({item["id"] for item in items}) == len(names)
    keys = dict(world.sql("SELECT id, key FROM items WHERE user_id = 'alice'"))
    for item in items:
        ids, path = {"item_id": item["id"]}, "/api/v1/items/{item_id}"
        assert item["status"] == "READY", item
        assert ask("GET", path, ids=ids).body == item
        assert unquote(item["thumbnail_url"].split("/")[4]) == item["id"]
        assert ask("GET", f"{path}/chunks", ids=ids).body["data"]
        assert ask("GET", f"{path}/timeline", ids=ids).body["data"]
        assert fetched(world, ask("GET", f"{path}/thumbnail", ids=ids))[0].startswith(b"\xff\xd8\xff")
        content, headers = fetched(world, ask("GET", f"{path}/download", ids=ids))
        assert content == bodies[keys[item["id"]]]
        disposition = DISPOSITION.match(headers["Content-Disposition"])
        assert disposition and unquote(disposition["name"]) == item["name"]
        assert ask("POST", "/api/v1/search", body={"item_id": item["id"]}).status == 200
    last = world.published()[-1]["outbox_id"]
    for item in items[::4]:
        assert ask("POST", "/api/v1/items/{item_id}/reprocess", ids={"item_id": item["id"]}).status == 202
    world.run(*world.published(after=last))
    assert {item["status"] for item in listed(ask, "/api/v1/items")} == {"READY"}
    for item in items:
        assert ask("DELETE", "/api/v1/items/{item_id}", ids={"item_id": item["id"]}).status == 204
    assert listed(ask, "/api/v1/items") == []
    world.heal()
    assert [key for key in world.objects() if not key.startswith("_derived/bob/")] == ["bob/secret.jpg"]
    assert world.sql("SELECT id, status FROM items") == [("secret", "READY")]


def fetched(world: World, redirect: Reply) -> tuple[bytes, dict[str, str]]:
    """Return S3's response to the redirect's address, sent unchanged: a browser would remove dots from its path."""
    assert redirect.status == 302, redirect
    address = urlsplit(redirect.headers["Location"])
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("GET", f"{address.path}?{address.query}")
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200
    return content, dict(answer.getheaders())


def test_an_event_of_a_key_that_cannot_be_an_item_is_refused_and_leaves_nothing(world: World) -> None:
    event = world.put("alice/a.jpg", jpeg())
    for number, key in enumerate(IMPOSSIBLE_KEYS):
        event["id"] = f"event-{number}"
        event["detail"]["object"]["key"] = key
        world.deliver(event)
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
    kept = world.sql("SELECT count(*) FROM dead_letters WHERE attempts = 1 AND error LIKE 'InvalidInput: %'")
    assert kept == [(len(IMPOSSIBLE_KEYS),)]


def test_every_file_name_is_refused_by_field_or_stays_in_its_folder(world: World, ask: Ask) -> None:
    for text in [*NAMES, *TEXTS, "\U0001f600" * 255]:
        reply = ask("POST", "/api/v1/uploads", body=NEW_UPLOAD | {"filename": text})
        if reply.status == 201:
            user, folder, name = reply.body["key"].split("/")
            assert (user, len(folder)) == ("alice", 12) and name.strip(".")
            assert len(reply.body["key"].encode()) <= MAX_KEY_BYTES
            status = ask("GET", "/api/v1/uploads/{upload_id}", ids={"upload_id": reply.body["id"]})
            assert (status.status, status.body["status"]) == (200, "pending")
        else:
            assert (reply.status, reply.body["field"]) == (400, "filename")


# Parameters, of every route there is


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_parameter_of_every_route(ask: Ask, share: int) -> None:
    """The short form tries every fourth string; the next route has the strings after those."""
    for number, route in enumerate(ROUTES):
        some = partial(every, share, number % share)
        try_path(ask, route, some)
        try_query(ask, route, some)
        if route.body:
            try_fields(ask, route, some)
            try_bodies(ask, route, some)
    try_headers(ask)


def every(share: int, first: int, values: list[Any]) -> list[Any]:
    return values[first::share]


def try_path(ask: Ask, route: Route, some: Some) -> None:
    texts = [*TEXTS, *random_texts(16, seed=1, max_chars=200)]
    for text in some(texts) if "{" in route.path else ():
        ids = ids_of(route, text) | dict.fromkeys(route.patterns, text)
        reply = ask(route.method, route.path, ids=ids, body=filled(route))
        assert reply.status in (400, 404, 204), (route.path, text)


def try_query(ask: Ask, route: Route, some: Some) -> None:
    def status_and_fields(name: str, text: str) -> tuple[int, set[str]]:
        reply = ask(
            route.method, route.path, ids=ids_of(route, UNKNOWN_ID), query={name: [text]}, body=filled(route)
        )
        return reply.status, fields_of(reply)

    for name in names_in(route.query):
        cursors = forged_cursors(seed=3) if name == "after" else ()
        for text in some([*TEXTS, *random_texts(16, seed=2), *cursors]):
            status, fields = status_and_fields(name, text)
            named = {field.partition("[")[0] for field in fields}
            assert status in (200, 201, 404) or (status == 400 and name in named), (
                route.path,
                name,
                text,
            )
    for name in some(TEXTS) if route.query is not AnyQuery else ():
        status, fields = status_and_fields(name, "1")
        assert (status, "" in fields) == (400, name == ""), (route.path, name)


def fields_of(reply: Reply) -> set[str]:
    """Return the fields that a problem names; "" for a mistake that has none."""
    problem = reply.body or {}
    return {each.get("field") or "" for each in problem.get("errors") or [problem]}


def try_fields(ask: Ask, route: Route, some: Some) -> None:
    wrong: list[Any] = [None, True, -1, 1.5, 2**63 - 1, [], {}, [None], {"a": []}, [[["x"]]]]
    # To look at a password takes its time, and is meant to.
    texts = TEXTS if "password" not in names_in(route.body) else TEXTS[::9]
    for name in names_in(route.body):
        for value in some([*texts, *wrong]):
            reply = ask(
                route.method, route.path, ids=ids_of(route, UNKNOWN_ID), body=filled(route, {name: value})
            )
            if reply.status == 400:
                field = reply.body.get("field", name)
                assert re.split(r"[.\[]", field)[0] in names_in(route.body), (route.path, name, value)


def try_bodies(ask: Ask, route: Route, some: Some) -> None:
    for body in some(BODIES):
        reply = ask(route.method, route.path, ids=ids_of(route, UNKNOWN_ID), body=body)
        assert reply.status == 400, (route.path, body[:40])


def try_headers(ask: Ask) -> None:
    names = [
        "X-Request-Id",
        "Origin",
        "Host",
        "Idempotency-Key",
        "Authorization",
        "X-Forwarded-Proto",
        "User-Agent",
    ]
    for name in names:
        for text in [*TEXTS, "*", "null", "Bearer ", "Bearer a.b.c", "a" * 9_000]:
            ask("POST", "/api/v1/uploads", body=NEW_UPLOAD, **{name: text})


def test_nobody_sets_what_is_not_theirs_to_set(world: World, ask: Ask) -> None:
    """A member that a route does not declare is refused by name, in bodies, in the objects in them, in queries."""
    world.ingest("alice/mine.jpg", jpeg())
    before = state(world)
    for route in ROUTES:
        for name, value in FORBIDDEN_MEMBERS.items():
            ids, body = ids_of(route, "mine"), filled(route)
            if route.body and name not in names_in(route.body):
                reply = ask(route.method, route.path, ids=ids, body=filled(route, {name: value}))
                assert reply.status == 400 and name in fields_of(reply), route.path
            if name not in names_in(route.query) and route.query is not AnyQuery:
                reply = ask(route.method, route.path, ids=ids, query={name: [str(value)]}, body=body)
                assert reply.status == 400 and name in fields_of(reply), route.path
    nested = ask("POST", "/api/v1/search", body={"query": "a", "filters": {"user_id": "bob"}})
    assert (nested.status, nested.body["field"]) == (400, "filters.user_id")
    assert state(world) == before


def state(world: World) -> list[tuple[Any, ...]]:
    return world.sql(
        "SELECT (SELECT jsonb_agg(to_jsonb(i) ORDER BY i.id) FROM items i), (SELECT count(*) FROM uploads),"
        " (SELECT count(*) FROM users), (SELECT count(*) FROM outbox), (SELECT count(*) FROM idempotency_keys)"
    )


def test_anothers_cursor_shows_nothing_of_theirs(world: World, ask: Ask) -> None:
    for user in ("alice", "bob"):
        world.run(*[world.put(f"{user}/{user}-{n}.jpg", jpeg(size=(40 + n, 40))) for n in range(3)])
    (at, item_id), *_ = world.sql(
        "SELECT created_at, id FROM items WHERE user_id = 'bob' ORDER BY created_at DESC LIMIT 1"
    )
    seen = ask("GET", "/api/v1/items", query={"after": [encode_cursor(at, item_id)]}).body["data"]
    assert {item["id"] for item in seen} <= {"alice-0", "alice-1", "alice-2"}


def test_searches(world: World, ask: Ask) -> None:
    world.run(
        *[
            world.put(f"alice/{name}.jpg", jpeg(size=(40 + n, 40)))
            for n, name in enumerate(("words", "it's a&b", "日本語の写真"))
        ]
    )
    found = 0
    for text in [*TEXTS, *random_texts(48, seed=4)]:
        reply = ask("POST", "/api/v1/search", body={"query": text, "explain": True, "include_weaker": True})
        assert (reply.status == 200) or (reply.status, reply.body["field"]) == (400, "query"), text
        for hit in reply.body.get("data", ()):
            assert all(0 <= start < end <= len(hit["snippet"]) for start, end in hit["highlights"])
            found += 1
        if 0 < len(text) <= 200:
            assert ask("GET", "/api/v1/items", query={"text": [text]}).status in (200, 400), text
    assert found
