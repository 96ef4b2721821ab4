"""Responses of a real Chalice app: headers, problems, CORS."""

import inspect
import logging

import pytest
from chalice.test import HTTPResponse

from chalicelib import errors
from chalicelib.api.http import problems
from chalicelib.api.http.entry import App
from chalicelib.api.http.problems import STATUS_OF_ERROR
from chalicelib.api.http.routes import Edge
from tests.support.sample_api import ORIGIN, call, problem, rest_event, sample_app

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


def without_request_id(answer: HTTPResponse) -> tuple[int, dict[str, str]]:
    return answer.status_code, {k: v for k, v in answer.headers.items() if k != "X-Request-Id"}


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/page",
        "/dot.png",
        "/api/v1/things?limit=3",
        "/api/v1/things?limit=0",
        "/api/v1/openapi.json",
    ],
)
def test_head_has_the_status_and_headers_of_get_and_no_body(path: str):
    head, got = call("HEAD", path), call("GET", path)
    assert without_request_id(head) == without_request_id(got)
    assert (head.body, got.body != b"") == (b"", True)


def test_where_there_is_no_get_there_is_no_head():
    wrong = call("HEAD", "/api/v1/errors/ValueError")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "OPTIONS, POST")


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
    assert wrong.headers["Allow"] == "GET, HEAD, OPTIONS"
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
