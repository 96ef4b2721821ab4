"""The API of items and uploads as a test calls it: over a real database and the emulated AWS."""

import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from chalice.test import Client

import app
from tests.support.world import World, count_no_requests


class Api:
    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any, dict[str, str]]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        raw = json.dumps(body).encode() if body is not None else b""
        answer = self._client.http.request(method, path, headers=headers, body=raw)
        return answer.status_code, json.loads(answer.body) if answer.body else None, answer.headers


@pytest.fixture
def api(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    count_no_requests(monkeypatch)
    app.edge.cache_clear()
    # A folder without .chalice/config.json: its settings would replace this test's.
    return Api(Client(app.app, project_dir=str(tmp_path)))


def upload(form: dict[str, Any], body: bytes) -> None:
    """POST the form as a browser would."""
    boundary = "xyzzy"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
        for n, v in form["fields"].items()
    ]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    data = "".join(parts).encode() + body + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    urlopen(Request(form["url"], data, headers), timeout=10).close()


def send_part(url: str, body: bytes) -> str:
    """Send a part; return its etag."""
    status, etag = send(url, body)
    assert status == 200
    return etag


def send(url: str, body: bytes, *, method: str = "PUT") -> tuple[int, str]:
    """Send a request to S3; return the status, and the ETag or S3's error code."""
    headers = {"Origin": "http://127.0.0.1:8000", "Content-Type": ""}  # as a browser's
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            return answer.status, answer.headers["ETag"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().partition("<Code>")[2].partition("<")[0]
