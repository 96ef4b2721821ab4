"""Requests over a real Chalice app: queries, paths and bodies; what is wrong with them is named."""

import json
from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta

from chalicelib.api.http.entry import App
from chalicelib.api.http.routes import Body, Edge, Query, Request, Routes
from chalicelib.model.mistakes import MAX_MISTAKES
from tests.support.sample_api import JSON_HEADERS, call, identify, post, problem

MINIMAL = {"name": "n"}


# Query and path


def test_query_defaults_and_types():
    found = call("GET", "/api/v1/things").json_body["query"]
    assert found["limit"] == 20
    assert found["kind"] == []
    path = (
        "/api/v1/things?limit=5&kind=image&kind=pdf&tag=a&order=oldest&deep=true&score=0.5"
        "&since=2026-01-02T03:04:05%2B02:00&day=2026-01-02&text=null"
    )
    assert call("GET", path).json_body["query"] == {
        "limit": 5,
        "kind": ["image", "pdf"],
        "tag": ["a"],
        "order": "oldest",
        "deep": True,
        "score": 0.5,
        "since": "2026-01-02T03:04:05+02:00",
        "day": "2026-01-02",
        "text": "null",
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=1&limit=2", "limit"),
        ("kind=image&kind=exe", "kind[1]"),
        ("order=upward", "order"),
        ("deep=maybe", "deep"),
        ("since=2026-01-02T03:04:05", "since"),
        ("day=2026-02-30", "day"),
        ("text=%00", "text"),
        ("nothing=1", "nothing"),
    ],
)
def test_bad_query_names_the_parameter(query: str, field: str):
    assert problem(call("GET", f"/api/v1/things?{query}"), 400)["field"] == field


def test_a_route_without_parameters_refuses_one():
    assert problem(call("GET", "/health?debug=1"), 400)["field"] == "debug"


def test_path_parameter_is_unquoted_once():
    assert call("GET", "/api/v1/things/a%20b%2Fc%25%C3%A9").json_body["id"] == "a b/c%é"


@pytest.mark.parametrize("segment", ["a%00", "%ff", "%ED%A0%80", "a" * 1025])
def test_path_parameter_that_nothing_is_stored_under(segment: str):
    assert problem(call("GET", f"/api/v1/things/{segment}"), 404)["code"] == "not_found"


# Body


def test_body_is_parsed_and_answered_with_the_declared_status():
    answer = post({"name": "n", "filters": {"kind": "pdf"}})
    assert answer.status_code == 201
    assert answer.body == b'{"id":"new","name":"n","at":"2026-01-02T03:04:05Z"}'
    assert answer.headers["Content-Type"] == "application/json"


def test_an_answer_may_differ_from_the_declared_status():
    answer = post({"name": "existing"})
    assert (answer.status_code, answer.headers["Location"]) == (200, "/api/v1/things/a")
    assert answer.json_body["thing"]["id"] == "a"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 1}, "name"),
        ({"name": "n", "extra": 1}, "extra"),
        ({"name": "n", "filters": {"kind": "exe"}}, "filters.kind"),
        ({"name": "n", "filters": {"colour": 1}}, "filters.colour"),
        ({"name": "n", "sizes": [1, 2.5]}, "sizes[1]"),
        (b'{"name": "n", "anything": [{"a": "\\u0000"}]}', "anything[0].a"),
        (b'{"name": "\\ud800"}', "name"),
        (b'{"name": "n", "anything": {"b": {"\\udfff": 1}}}', "anything.b"),
        (b'{"name": "n", "filters": {"kind": "pdf", "kind": "image"}}', "kind"),
        ([], None),
    ],
)
def test_bad_body_names_the_field(body: Any, field: str | None):
    assert problem(post(body), 400).get("field") == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": "n"} x',
        b'{"name": "\xff"}',
        b'{"name": "n", "weight": NaN}',
        b'{"name": "n", "weight": -Infinity}',
        b'{"name": "n", "weight": 1e999}',
        b'{"name": "n", "sizes": [' + b"9" * 5000 + b"]}",
        b'{"name": "n", "sizes": [9223372036854775808]}',
        b'{"name": "n", "anything": ' + b"[" * 64 + b"]" * 64 + b"}",
        b"[" * 200_000,
    ],
)
def test_body_that_is_not_json_of_ours(body: bytes):
    assert problem(post(body), 400)["code"] == "invalid_json"


def test_nesting_up_to_the_bound_and_many_brackets_are_fine():
    deepest = b'{"name": "n", "anything": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert post(deepest).status_code == 201
    assert post({"name": "n", "anything": [[]] * 100}).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
def test_body_of_another_type(content_type: str):
    assert problem(post(MINIMAL, **{"Content-Type": content_type}), 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "application/merge-patch+json"])
def test_types_that_are_json(content_type: str):
    assert post(MINIMAL, **{"Content-Type": content_type}).status_code == 201


def test_body_over_the_bound_is_told_of_uploads():
    padding = 1_000_000 - len(b'{"name": "n"}')
    assert post(b'{"name": "n"}' + b" " * padding).status_code == 201
    assert "/api/v1/uploads" in problem(post(b'{"name": "n"}' + b" " * (padding + 1)), 413)["detail"]


# All mistakes at once, in plain words


class Filter(Body):
    name: Annotated[str, Meta(min_length=1)]
    weight: Annotated[float, Meta(ge=0.5)] = 1.0


class Everything(Body):
    password: Annotated[str, Meta(min_length=10, max_length=99)]
    filters: Annotated[list[Filter], Meta(max_length=3)] | None = None
    link: UUID | None = None
    count: int = 0
    code: Annotated[str, Meta(pattern="^it's$", extra={"expected": "must be its"})] = "it's"


class Page(Query):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: str | None = None


def strict_app() -> App:
    routes = Routes("strict")

    @routes.post(
        "/{number}",
        patterns={"number": "^[0-9]+$"},
        query=Page,
        body=Everything,
        status=201,
        summary="Strict.",
    )
    def create(_request: Request) -> None: ...

    app = App(app_name="strict", edge=lambda: Edge(identify=identify))
    app.add(routes)
    return app


def mistakes(path: str, body: Any) -> dict[str, Any]:
    raw = json.dumps(body).encode()
    return problem(call("POST", path, app=strict_app(), headers=JSON_HEADERS, body=raw), 400)


def test_all_mistakes_of_path_query_and_body_are_told_together():
    found = mistakes(
        "/one?limit=0&limit=1&after=a&q=1",
        {"password": "short", "filters": [{"weight": 0.1}, {"name": 1}], "link": "x", "more": 1},
    )
    assert [(each["field"], each["detail"]) for each in found["errors"]] == [
        ("number", "number must match the pattern ^[0-9]+$."),
        ("limit", "limit is given more than once."),
        ("q", "Unknown parameter `q`; known: limit, after."),
        ("more", "Unknown field `more`; known: password, filters, link, count, code."),
        ("password", "password must have at least 10 characters."),
        ("filters[0].name", "filters[0].name is missing."),
        ("filters[0].weight", "filters[0].weight must be at least 0.5."),
        ("filters[1].name", "filters[1].name must be a text, not a whole number."),
        ("link", "link must be a UUID, such as 01234567-89ab-cdef-0123-456789abcdef."),
    ]
    assert {each["code"] for each in found["errors"]} == {"invalid_input"}
    assert (found["code"], found["field"]) == ("invalid_input", "number")
    assert found["detail"] == " ".join(each["detail"] for each in found["errors"])


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "The body must be an object, not a list."),
        ({}, "password is missing."),
        ({"password": None}, "password must be a text, not null."),
        ({"password": "x" * 100}, "password must have at most 99 characters."),
        ({"password": "x" * 10, "code": "x"}, "code must be its."),
        (
            {"password": "x" * 10, "filters": [{"name": ""}]},
            "filters[0].name must have at least 1 character.",
        ),
        ({"password": "x" * 10, "count": 1.5}, "count must be a whole number, not a number."),
        (
            {"password": "x" * 10, "filters": [{"name": "a"}] * 4},
            "filters must have at most 3 elements.",
        ),
        (
            {"password": "x" * 10, "filters": [{"name": "a", "b": 1}]},
            "Unknown field `b` in filters[0]; known: name, weight.",
        ),
    ],
)
def test_one_mistake_is_the_detail_itself(body: Any, detail: str):
    found = mistakes("/1", body)
    assert (found["detail"], len(found["errors"])) == (detail, 1)
    assert (found["errors"][0]["detail"], found["errors"][0]["field"]) == (detail, found.get("field"))


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=101", "limit must be at most 100."),
        ("limit=ten", "limit must be a whole number, not a text."),
        ("kind=exe", "kind[0] must be one of: image, pdf."),
        ("order=upward", "order must be one of: newest, oldest."),
        (
            "since=2026-01-02",
            "since must be a date and time as in RFC 3339, with its offset, such as 2026-01-31T09:30:00Z.",
        ),
        (
            "since=12.5",
            "since must be a date and time as in RFC 3339, with its offset, such as 2026-01-31T09:30:00Z.",
        ),
        ("day=today", "day must be a date, such as 2026-01-31."),
        ("deep=maybe", "deep must be true or false, not a text."),
    ],
)
def test_a_wrong_parameter_is_told_in_plain_words(query: str, detail: str):
    assert problem(call("GET", f"/api/v1/things?{query}"), 400)["detail"] == detail


def test_of_very_many_mistakes_the_first_are_told():
    found = problem(post({"name": "n", "sizes": ["x"] * 5000}), 400)
    assert [each["field"] for each in found["errors"]] == [f"sizes[{n}]" for n in range(MAX_MISTAKES)]
    found = mistakes("/x?" + "&".join(f"q{n}=1" for n in range(15)), {f"b{n}": 1 for n in range(15)})
    assert [each["field"] for each in found["errors"]][-2:] == ["b2", "b3"]
    found = problem(post({"name": "n", "\ufffd" * 5000: 1}), 400)
    assert len(found["field"]) == 64
