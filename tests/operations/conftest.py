"""Fixtures of the tests of operations."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice.test import Client

import app
from tests.support.failing import Call
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.world import DEPLOYED_WAITS_S, World, forget_wiring, set_waits


@pytest.fixture
def call(world: World, tmp_path: Path) -> Call:
    """Send a request; return its status and its JSON."""
    app.edge.cache_clear()
    client = Client(app.app, project_dir=str(tmp_path))

    def send(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        raw = json.dumps(body).encode() if body is not None else b""
        answer = client.http.request(method, path, headers=headers, body=raw)
        return answer.status_code, json.loads(answer.body) if answer.body else None

    return send


@pytest.fixture
def postgres(world: World, app_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """Yield a proxy that the app uses as its Postgres, with its real time limits; the world goes past it."""
    port = urlsplit(app_url).port
    assert port
    with tcp_proxy(port) as proxy:
        monkeypatch.setenv("DATABASE_URL", app_url.replace(f":{port}/", f":{proxy.port}/"))
        monkeypatch.setenv("DATABASE_POOL_SIZE", "10")
        set_waits(monkeypatch, *DEPLOYED_WAITS_S)
        forget_wiring()
        yield proxy
