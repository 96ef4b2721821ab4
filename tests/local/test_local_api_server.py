"""`chalice local` as the stack runs it: routes as API Gateway matches them, HEAD, limits, threads."""

import http.client
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.children import REPOSITORY, free_port, kill_group, module_command, spawn
from local.route_matching import match_route

APP = """
import time
from chalice import Chalice

app = Chalice(app_name="tiny")


@app.route("/fixed/{name}", methods=["GET", "HEAD"])
def fixed(name):
    context = app.lambda_context
    time.sleep(0.1)
    return {"name": name, "own": context is app.lambda_context, **app.current_request.query_params}


@app.route("/{proxy+}", methods=["GET", "POST"])
def rest():
    return {"proxy": app.current_request.uri_params["proxy"]}
"""


@pytest.mark.parametrize(
    ("url", "route", "captured"),
    [
        ("/", "/", {}),
        ("/items", "/items", {}),
        ("/items/", "/items", {}),
        ("/items/7?a=1", "/items/{id}", {"id": "7"}),
        ("/items/new", "/items/new", {}),
        ("/items/7/pages", "/items/{id}/pages", {"id": "7"}),
        ("/items/7/other", "/{proxy+}", {"proxy": "items/7/other"}),
        ("/a%20b/c", "/{proxy+}", {"proxy": "a%20b/c"}),
        ("/files/a/b", "/files/{path+}", {"path": "a/b"}),
    ],
)
def test_a_path_takes_the_most_specific_route(url: str, route: str, captured: dict[str, str]) -> None:
    routes = ["/", "/{proxy+}", "/items", "/items/{id}", "/items/new", "/items/{id}/pages", "/files/{path+}"]
    match = match_route(SimpleNamespace(route_urls=routes), url)
    assert (match.route, match.captured) == (route, captured)


def test_a_path_without_a_route_goes_to_the_app_all_the_same() -> None:
    match = match_route(SimpleNamespace(route_urls=["/items/{id}", "/a/{rest+}"]), "/a")
    assert (match.route, match.captured) == ("/{proxy+}", {"proxy": "a"})


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    project: Path = tmp_path_factory.mktemp("project")
    (project / ".chalice").mkdir()
    (project / ".chalice" / "config.json").write_text(
        '{"version": "2.0", "app_name": "tiny", "stages": {"local": {}}}'
    )
    (project / "app.py").write_text(APP)
    number = free_port()
    server = spawn(
        module_command("local.api_server", str(number)), log=project / "log", env=os.environ, project=project
    )
    wait_until_it_listens(number)
    yield number
    kill_group(server)


def wait_until_it_listens(port: int) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        try:
            return http.client.HTTPConnection("127.0.0.1", port).connect()
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def test_plain_chalice_local_passes_deep_paths_to_the_app(tmp_path: Path) -> None:
    """In the project's folder, without our server: the guide's `chalice local`."""
    number = free_port()
    chalice = str(Path(sys.executable).parent / "chalice")
    command = [chalice, "local", "--no-autoreload", "--stage", "local", "--port", str(number)]
    server = spawn(command, log=tmp_path / "log", env=os.environ, project=REPOSITORY)
    try:
        wait_until_it_listens(number)
        for path in ("/users/1", "/users/1/orders/2?x=1", "/nowhere/at/all"):
            connection = http.client.HTTPConnection("127.0.0.1", number)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["code"]) == (404, "not_found"), path
    finally:
        kill_group(server)


def test_head_and_the_next_request_on_the_connection_are_answered(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("HEAD", "/fixed/a?n=1")
    head = connection.getresponse()
    assert (head.status, head.read(), head.headers["Content-Length"]) == (200, b"", None)
    connection.request("GET", "/any/where?x=1")
    assert connection.getresponse().read() == b'{"proxy":"any/where"}'


def test_a_body_over_the_gateways_limit_is_refused(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/upload", b"x" * (10 * 1024 * 1024 + 1))
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, "POST /api/v1/uploads" in problem["detail"]) == (413, True)
    assert answer.headers["Link"] == '</api/v1/uploads>; rel="alternate"'
    assert uuid.UUID(problem["request_id"])


def test_requests_side_by_side_keep_their_own_request_and_context(port: int) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(4)]
    for number, connection in enumerate(connections):
        connection.request("GET", f"/fixed/{number}?n={number}")
    bodies = [connection.getresponse().read() for connection in connections]
    assert bodies == [b'{"name":"%d","own":true,"n":"%d"}' % (n, n) for n in range(4)]
