"""Upstream services on raw sockets: what arrives is kept to the byte, what goes back is whatever the test says."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, time
from typing import Any

from chalicelib.api.gateway import gateway
from chalicelib.api.http.entry import App
from chalicelib.api.http.routes import Caller, Edge
from chalicelib.errors import Unauthenticated
from chalicelib.model.gateway.gateway import identity_key
from chalicelib.model.gateway.gateway_routes import ROUTES, GatewayRoute
from chalicelib.providers.gateway.upstream import HttpUpstream
from chalicelib.providers.gateway.upstream_service import UpstreamService
from chalicelib.providers.http.dial import AddressRules, origin_of

WriteReply = Callable[[bytes], Iterable[bytes]]
RESET = b"<RST>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
SECRET = "a secret of the tests, 32 bytes long"
ORIGIN = "https://console.example"
PLAIN = GatewayRoute(
    upstream="user", prefix="/users", public=True, methods=frozenset({"GET", "POST", "HEAD"})
)


class RawUpstream:
    """Listens on one address of this machine. `requests` and `connections` are what came, whole, and how often."""

    def __init__(self, answer: bytes | WriteReply = OK, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.answer: WriteReply = answer if callable(answer) else lambda _request: [answer]
        self.requests: list[bytes] = []
        self.connections = 0
        self.tls: ssl.SSLContext | None = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            request = _received(sock)
            self.requests.append(request)
            for piece in self.answer(request):
                if piece == RESET:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sock.sendall(piece)
        sock.close()


def _received(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while sizes and len(body) < int(sizes[0]):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_upstream(answer: bytes | WriteReply = OK, **place: Any) -> Iterator[RawUpstream]:
    upstream = RawUpstream(answer, **place)
    try:
        yield upstream
    finally:
        upstream.close()


def answering(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def service(name: str, url: str, **more: Any) -> UpstreamService:
    """Return an upstream as wiring makes one, on a laptop; `resolve`, `rules` and `clock` may be the test's."""
    origin = origin_of(url)
    rules = more.get("rules", AddressRules(allow_loopback=True))
    asked = HttpUpstream(origin, rules=rules, **({"resolve": more["resolve"]} if "resolve" in more else {}))
    return UpstreamService(
        name=name,
        url=url,
        base_path=origin.base_path,
        key=identity_key(SECRET, name),
        send=more.get("send", asked.send),
        clock=more.get("clock", monotonic),
    )


def identify(headers: Mapping[str, str]) -> Caller:
    """`Bearer alice`, `Bearer admin`, or nobody."""
    name = headers.get("authorization", "").removeprefix("Bearer ")
    if not name:
        raise Unauthenticated("Sign in first.")
    return Caller(user_id=name, is_admin=name == "admin")


def gateway_app(*services: UpstreamService, routes: Sequence[GatewayRoute] = ROUTES) -> App:
    edge = Edge(identify=identify, cors_origins=lambda: (ORIGIN,))
    app = App(app_name="collections", edge=lambda: edge)
    named = {each.name: each for each in services}
    app.pass_on(gateway(lambda: named, routes))
    return app


def rest_event(
    method: str,
    path: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    query: Mapping[str, list[str]] | None = None,
    body: bytes | None = None,
    user: str | None = "alice",
) -> dict[str, Any]:
    """As a REST API hands a request over whose binary types are */*."""
    given = [*([("Authorization", f"Bearer {user}")] if user else []), *headers]
    repeated: dict[str, list[str]] = {}
    for name, value in given:
        repeated.setdefault(name, []).append(value)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(given),
        "multiValueHeaders": repeated,
        "multiValueQueryStringParameters": query,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/dev{path}",
            "requestId": "aws-request-id",
            "domainName": "api.example.com",
            "identity": {"sourceIp": "192.0.2.7"},
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": body is not None,
    }


def v2_event(method: str, path: str, *, query: str = "", **more: Any) -> dict[str, Any]:
    """As an HTTP API hands a request over."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"authorization": "Bearer alice", **more.pop("headers", {})},
        "requestContext": {
            "domainName": "api.example.com",
            "http": {"method": method, "path": path, "sourceIp": "2001:db8::7"},
            "requestId": "aws-request-id",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    } | more


def ask(
    found: RawUpstream, event: dict[str, Any], route: GatewayRoute = PLAIN, path: str = ""
) -> dict[str, Any]:
    answer: dict[str, Any] = gateway_app(service("user", found.url + path), routes=[route])(event, None)
    return answer


def body_of(answer: Mapping[str, Any]) -> bytes:
    return base64.b64decode(answer["body"]) if answer.get("isBase64Encoded") else answer["body"].encode()


def problem_of(answer: Mapping[str, Any]) -> tuple[int, str]:
    """Status and code of a problem document, after checking that it is one."""
    problem = json.loads(body_of(answer))
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer["statusCode"]
    assert problem["request_id"] == answer["headers"]["X-Request-Id"] == "aws-request-id"
    return problem["status"], problem["code"]


def verified(header: str, key: bytes, *, audience: str, method: str, path: str) -> dict[str, Any]:
    """As an upstream checks it: docs/gateway.md has the same lines."""
    signed, _, signature = header.rpartition(",")
    given = base64.urlsafe_b64decode(signature + "==")
    assert hmac.compare_digest(given, hmac.digest(key, signed.encode(), hashlib.sha256)), "signature"
    version, _, encoded = signed.partition(",")
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=="))
    asked = (version, claims["aud"], claims["method"], claims["path"])
    assert asked == ("v1", audience, method, path), "another request's"
    assert claims["exp"] > time(), "too old"
    return claims


def key_of(upstream: str) -> bytes:
    return hmac.digest(SECRET.encode(), f"collections gateway identity 1 {upstream}".encode(), "sha256")
