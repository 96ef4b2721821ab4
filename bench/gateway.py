"""Measures the time that the gateway adds to a call of an upstream, against a direct call in the same run.

python -m bench.gateway

A direct call uses http.client with one connection per request, as the gateway does, and encodes the body in base64,
as every function must for API Gateway. So routing, headers, identity and the event are compared, and not whether
connections are reused. The upstream is a separate process on this machine, so that no network time hides the
difference. Behind a network of 5 ms the same microseconds are a few per cent.
"""

import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection
from time import monotonic
from typing import Any

from bench.figures import note
from chalicelib.api.gateway import gateway
from chalicelib.api.http.entry import App
from chalicelib.api.http.routes import Caller, Edge
from chalicelib.model.gateway.gateway import identity_key
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.providers.gateway.upstream import HttpUpstream
from chalicelib.providers.gateway.upstream_service import UpstreamService
from chalicelib.providers.http.dial import AddressRules, origin_of

ROUNDS = 60
CALLS = 40
UPSTREAM = """
import socket
head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n"
server = socket.create_server(("127.0.0.1", 0), backlog=128)
print(server.getsockname()[1], flush=True)
while True:
    sock, _ = server.accept()
    request = b""
    while b"\\r\\n\\r\\n" not in request:
        request += sock.recv(65536)
    size = int(request.split(b" ")[1].rpartition(b"/")[2])
    sock.sendall(head % size + b"a" * size)
    sock.close()
"""
HEADERS = {"Accept": "application/json", "User-Agent": "bench", "Authorization": "Bearer of-the-bench"}


def gateway_app(url: str) -> App:
    origin = origin_of(url)
    upstream = UpstreamService(
        name="user",
        url=url,
        base_path=origin.base_path,
        key=identity_key("of-the-bench", "user"),
        send=HttpUpstream(origin, rules=AddressRules(allow_loopback=True)).send,
        clock=monotonic,
    )
    edge = Edge(
        identify=lambda _headers: Caller(user_id="ada"), cors_origins=lambda: ("https://console.example",)
    )
    app = App(app_name="bench", edge=lambda: edge)
    app.pass_on(gateway(lambda: {"user": upstream}, [GatewayRoute(upstream="user", prefix="/users")]))
    return app


def event(path: str) -> dict[str, Any]:
    context = {
        "resourcePath": "/{proxy+}",
        "httpMethod": "GET",
        "path": path,
        "requestId": "id",
        "domainName": "x.execute-api.eu-west-1.amazonaws.com",
        "identity": {"sourceIp": "192.0.2.1"},
    }
    return {
        "path": path,
        "headers": dict(HEADERS),
        "multiValueHeaders": {name: [value] for name, value in HEADERS.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path},
        "stageVariables": None,
        "requestContext": context,
        "body": None,
    }


def directly(port: int, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=25)
    connection.request("GET", path, headers=HEADERS)
    b64encode(connection.getresponse().read()).decode()
    connection.close()


def through(app: App, path: str) -> None:
    answer = app(event(path), None)
    if answer["statusCode"] != 200:
        raise RuntimeError(answer["body"])


def seconds_a_call(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS


def main() -> bool:
    """Print the figures by the size of the response. Return whether the ratios are as good as stated."""
    server = subprocess.Popen([sys.executable, "-c", UPSTREAM], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        app = gateway_app(f"http://127.0.0.1:{port}")
        within = True
        for name, size in (("small", 1_000), ("large", 100_000)):
            path = f"/users/{size}"
            direct, ours = (lambda: directly(port, path)), (lambda: through(app, path))  # noqa: B023
            pairs = [(seconds_a_call(direct), seconds_a_call(ours)) for _ in range(ROUNDS)]
            direct_us, ours_us = (min(column) * 1e6 for column in zip(*pairs, strict=True))
            ratio = ours_us / direct_us
            within &= note(f"gateway.{name}", ratio)
            print(
                f"{size:7} bytes  directly {direct_us:6.1f} us  through the gateway {ours_us:6.1f} us"
                f"  x{ratio:.2f}  over {ours_us - direct_us:6.1f} us"
            )
        return within
    finally:
        server.kill()


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
