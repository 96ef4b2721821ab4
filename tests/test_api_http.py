"""The HTTP layer over a real Chalice app: parsing, answers, problems, CORS, both kinds of events."""

import http.client
import inspect
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import create_local_server

from chalicelib import errors
from chalicelib.api import problems
from chalicelib.api.entry import App
from chalicelib.api.http import Edge
from chalicelib.api.problems import STATUS_OF_ERROR
from chalicelib.api.v2_events import match_path
from tests.sample_api import ORIGIN, call, post, sample_app

MINIMAL = {"name": "n"}


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer, after checking what every problem has."""
    body = json.loads(answer.body)
    assert (answer.status_code, body["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["title"]
    assert body["detail"]
    return body


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


# Answers


def test_no_content():
    answer = call("DELETE", "/api/v1/things/a")
    assert (answer.status_code, answer.body) == (204, b"")


def test_every_answer_has_the_security_headers():
    for answer in [call("GET", "/health"), call("PUT", "/health"), call("POST", "/api/v1/errors/ValueError")]:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_page_sets_its_own_policy():
    page = call("GET", "/page")
    assert page.body.decode() == "<p>é</p>"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == "default-src 'self'"


def test_binary_comes_as_it_is():
    for accepted in ("image/png", "image/*", "text/html"):
        assert call("GET", "/dot.png", headers={"Accept": accepted}).body == b"\x89PNG\xff"


def test_an_undeclared_answer_is_our_fault(caplog: pytest.LogCaptureFixture):
    problem(call("GET", "/api/v1/wrong"), 500)
    assert "GET /api/v1/wrong declares" in caplog.text


def test_request_knows_its_caller():
    headers = {"X-Request-Id": "abc-12345", "Host": "h:8000"}
    seen = call("GET", "/api/v1/things/a", headers=headers)
    assert seen.headers["X-Request-Id"] == "abc-12345"
    expected = {"id": "a", "user_id": "ada", "request_id": "abc-12345", "base_url": "http://h:8000"}
    assert seen.json_body == expected


def test_request_id_is_new_when_the_incoming_one_is_not_valid():
    ids = {call("GET", "/health", headers={"X-Request-Id": "a\nb"}).headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert "a\nb" not in ids


# Problems


def error_classes() -> list[type[errors.CollectionsError]]:
    classes = [*vars(errors).values(), *vars(problems).values()]
    return [c for c in classes if inspect.isclass(c) and issubclass(c, errors.CollectionsError)]


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_has_a_status(error: type[errors.CollectionsError]):
    assert error in STATUS_OF_ERROR


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("InvalidInput", 400, "invalid_input"),
        ("Forbidden", 403, "forbidden"),
        ("NotFound", 404, "not_found"),
        ("Conflict", 409, "conflict"),
        ("LeaseLost", 409, "lease_lost"),
        ("TooLarge", 413, "too_large"),
        ("BadFile", 422, "bad_file"),
        ("Unavailable", 503, "unavailable"),
        ("Misconfigured", 503, "misconfigured"),
    ],
)
def test_errors_keep_code_and_message(name: str, status: int, code: str):
    body = problem(call("POST", f"/api/v1/errors/{name}"), status)
    assert (body["code"], body["detail"]) == (code, "As it is.")


def test_retry_after_and_challenge():
    assert call("POST", "/api/v1/errors/Throttled").headers["Retry-After"] == "18"
    assert int(call("POST", "/api/v1/errors/Unavailable").headers["Retry-After"]) > 0
    nobody = call("GET", "/api/v1/things", headers={"Authorization": "Bearer nobody"})
    assert problem(nobody, 401)["code"] == "unauthenticated"
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_unexpected_error_is_logged_and_tells_nothing(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, logger="collections"):
        answer = call("POST", "/api/v1/errors/ValueError")
    body = problem(answer, 500)
    assert body["code"] == "internal"
    assert b"secret" not in answer.body
    [record] = caplog.records
    assert record.request_id == body["request_id"]
    assert "ValueError: a secret" in caplog.text


def test_wrong_method_and_unknown_path():
    wrong = call("PUT", "/health")
    assert problem(wrong, 405)["code"] == "method_not_allowed"
    assert wrong.headers["Allow"] == "GET, OPTIONS"
    event = rest_event("GET", "/nowhere")
    assert sample_app()(event, None)["statusCode"] == 404


def test_broken_settings_are_a_problem_too():
    def edge() -> Edge:
        raise ValueError("DATABASE_URL: must be set")

    answer = App(app_name="collections", edge=edge)(rest_event("GET", "/health"), None)
    assert answer["statusCode"] == 500
    assert "DATABASE_URL" not in answer["body"]


# CORS


@pytest.mark.parametrize("path", ["/health", "/api/v1/things?limit=0"])
def test_listed_origin_is_reflected_also_on_errors(path: str):
    answer = call("GET", path, headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Vary"] == "Origin"


def test_other_origins_get_nothing():
    answer = call("GET", "/health", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


def test_any_origin():
    app = sample_app(cors_origins=("*",))
    answer = call("GET", "/health", app=app, headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_preflight_on_every_path():
    app = sample_app()
    for path, methods in app.routes.items():
        concrete = path.replace("{", "").replace("}", "")
        headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        answer = call("OPTIONS", concrete, app=app, headers=headers)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == set(methods)
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


# Events as AWS sends them


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


def test_rest_event():
    event = rest_event("GET", "/api/v1/things/{thing_id}", path="/api/v1/things/a")
    event["pathParameters"] = {"thing_id": "a"}
    event["requestContext"]["path"] = "/dev/api/v1/things/a"
    answer = sample_app()(event, None)
    assert json.loads(answer["body"]) == {
        "id": "a",
        "user_id": "ada",
        "request_id": "aws-request-id",
        "base_url": "https://x.execute-api.eu-west-1.amazonaws.com/dev",
    }
    assert all(isinstance(value, str) for value in answer["headers"].values())


def test_v2_health_event():
    answer = sample_app()(v2_event("GET", "/health"), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["id"] == "a"
    assert answer["headers"]["X-Request-Id"] == "aws-request-id"
    assert "multiValueHeaders" not in answer


def test_a_hand_made_v2_event_is_answered():
    event = {"version": "2.0", "rawPath": "/health", "requestContext": {"http": {"method": "GET"}}}
    assert sample_app()(event, None)["statusCode"] == 200


def test_v2_event_with_query_body_and_path():
    app = sample_app()
    query = app(v2_event("GET", "/api/v1/things", rawQueryString="limit=3&kind=image&kind=pdf"), None)
    found = json.loads(query["body"])["query"]
    assert (found["limit"], found["kind"]) == (3, ["image", "pdf"])
    body = v2_event("POST", "/api/v1/things", body="eyJuYW1lIjoibiJ9", isBase64Encoded=True)
    assert json.loads(app(body, None)["body"])["name"] == "n"
    assert json.loads(app(v2_event("GET", "/api/v1/things/a%20b"), None)["body"])["id"] == "a b"


def test_a_body_that_arrives_with_a_lone_surrogate():
    body = v2_event("POST", "/api/v1/things", body='{"name": "\ud800"}')
    answer = sample_app()(body, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_json")


def test_v2_event_of_a_named_stage_and_an_unknown_path():
    event = v2_event("GET", "/dev/health")
    event["requestContext"]["stage"] = "dev"
    assert sample_app()(event, None)["statusCode"] == 200
    unknown = sample_app()(v2_event("GET", "/nowhere"), None)
    assert json.loads(unknown["body"])["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/runs/mine", ("/runs/mine", {})),
        ("/runs/7/", ("/runs/{run_id}", {"run_id": "7"})),
        ("/runs/", ("/{proxy+}", {"proxy": "runs"})),
        ("/a/b/c", ("/{proxy+}", {"proxy": "a/b/c"})),
        ("/", ("/", {})),
    ],
)
def test_paths_match_as_on_api_gateway(path: str, match: Any):
    assert match_path(path, ["/{proxy+}", "/runs/{run_id}", "/runs/mine", "/"]) == match


# The same through Chalice's own local server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = create_local_server(sample_app(), Config.create(), "127.0.0.1", 0)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server.server_address[1]
    server.shutdown()
    server.server.server_close()


def over_http(port: int, method: str, path: str, **request: Any) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, **request)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_local_server_parses_and_answers(port: int):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    status, _, body = over_http(port, "POST", "/api/v1/things", body=b'{"name": "n"}', headers=headers)
    assert (status, json.loads(body)["name"]) == (201, "n")
    status, headers, body = over_http(port, "GET", "/api/v1/things?limit=0", headers={"Origin": ORIGIN})
    assert (status, json.loads(body)["field"]) == (400, "limit")
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    status, headers, _ = over_http(port, "OPTIONS", "/health", headers={"Origin": ORIGIN})
    assert (status, headers["Access-Control-Allow-Methods"]) == (204, "GET, OPTIONS")
    assert over_http(port, "PATCH", "/health")[0] == 405
    assert over_http(port, "GET", "/dot.png", headers={"Accept": "*/*"})[2] == b"\x89PNG\xff"


def test_local_server_keeps_requests_apart(port: int):
    seen: dict[str, str] = {}

    def get(name: str) -> None:
        seen[name] = json.loads(over_http(port, "GET", f"/api/v1/things/{name}")[2])["id"]

    threads = [threading.Thread(target=get, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {f"t{number}": f"t{number}" for number in range(8)}
