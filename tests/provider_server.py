"""A stand-in for the providers: speaks their real wire formats on 127.0.0.1, its mood set by the test."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 64


@dataclass
class Providers:
    """`fail_with`: statuses the next requests get, in order; `headers` go with them."""

    url: str = ""
    fail_with: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    embedded: list[str] = field(default_factory=list)
    analyzed: list[str] = field(default_factory=list)


def embedding(text: str) -> list[float]:
    """A bag of words hashed into DIMENSIONS buckets: texts that share words are near."""
    vector = [1e-3] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector


@contextmanager
def provider_server() -> Iterator[Providers]:
    providers = Providers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if providers.fail_with:
                return self._send(providers.fail_with.pop(0), {"error": {"message": "no"}}, providers.headers)
            if self.path.endswith("/embeddings"):
                providers.embedded += body["input"]
                data = [{"index": i, "embedding": embedding(text)} for i, text in enumerate(body["input"])]
                return self._send(200, {"object": "list", "data": data, "model": body["model"]})
            providers.analyzed.append(body["name"])
            first = (body["text"] or body["name"]).strip()[:80]
            answer = {"category": "photo", "summary": f"It shows {first}.", "labels": ["test label"]}
            self._send(
                200, {**answer, "text_in_image": "", "language": "en", "provider": "test", "model": "t1"}
            )

        def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    providers.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield providers
    server.shutdown()
    server.server_close()
