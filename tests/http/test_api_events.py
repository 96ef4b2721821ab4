"""Both kinds of API Gateway's events, and the same app through Chalice's own local server."""

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import create_local_server

from chalicelib.api.http.v2_events import match_path
from tests.support.sample_api import ORIGIN, rest_event, sample_app, v2_event

# Events as AWS sends them


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
    assert (status, headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD, OPTIONS")
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
