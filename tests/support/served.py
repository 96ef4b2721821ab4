"""Serves the app over HTTP on 127.0.0.1, as an HTTP API of API Gateway does."""

import base64
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import app
from chalicelib.api.http.v2_events import match_path


@dataclass
class Served:
    """The app over HTTP, as behind an HTTP API; `statuses` are what each (method, route) has answered."""

    url: str = ""
    statuses: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))


Answer = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def served_app(ask: Answer = lambda event: app.app(event, None)) -> Iterator[Served]:
    """Serve what answers events of an HTTP API: this process's app, unless it is given."""
    served, one_at_a_time = Served(), threading.Lock()

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer in one piece: two would wait for each other

        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            event = {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": dict(self.headers),
                "requestContext": {"http": {"method": self.command}},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
            with one_at_a_time:  # as in Lambda
                answer = ask(event)
            route, _ = match_path(path, app.app.routes) or (path, {})
            served.statuses[self.command, route].add(answer["statusCode"])
            raw = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in (answer["headers"] | {"Content-Length": str(len(raw))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    served.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()
