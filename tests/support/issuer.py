"""An OpenID Connect issuer on this machine: its keys, its tokens, and an app that trusts it."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep, time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NOW_S = 1_800_000_000


@cache
def private_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(name: str, bits: int = 2048, **more: Any) -> dict[str, Any]:
    n = private_key(name, bits).public_key().public_numbers().n
    return {
        "kty": "RSA",
        "kid": name,
        "n": b64(n.to_bytes(bits // 8, "big")),
        "e": "AQAB",
        "use": "sig",
    } | more


def sign(name: str, claims: Any, *, bits: int = 2048, **header: Any) -> str:
    given = {"alg": "RS256", "kid": name} | header
    signed = f"{b64(json.dumps(given).encode())}.{b64(json.dumps(claims).encode())}"
    signature = private_key(name, bits).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


@dataclass(frozen=True)
class Dripping:
    """A document that is sent very slowly."""

    pieces: int
    every_s: float


@dataclass
class Issuer:
    """An issuer over HTTP that serves a test's documents and counts the requests for its keys."""

    url: str
    documents: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def serve(self, *keys: dict[str, Any], **more: Any) -> None:
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | more
        self.documents = {"/.well-known/openid-configuration": discovery, "/keys": {"keys": list(keys)}}

    def claims(self, **more: Any) -> dict[str, Any]:
        now_s = int(time())
        return {"iss": self.url, "aud": "us", "sub": "google|1", "iat": now_s, "exp": now_s + 600} | more


@contextmanager
def issuer_server() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += self.path == "/keys"
            document = found.documents.get(self.path)
            if isinstance(document, str):
                self.send_response(302)
                self.send_header("Location", document)
                self.end_headers()
                return
            if isinstance(document, Dripping):
                self.send_response(200)
                self.end_headers()
                with suppress(OSError):
                    for _ in range(document.pieces):
                        sleep(document.every_s)
                        self.wfile.write(b" ")
                    self.wfile.write(b"[]")
                return
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(200 if document is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Issuer(f"http://127.0.0.1:{server.server_port}")
    found.serve(jwk("k1"))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()
