"""A server in a thread that stands in for a provider of models."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-0123456789"
HttpReply = tuple[int, dict[str, str], bytes]


class Provider(ThreadingHTTPServer):
    """A server that responds to every POST with `answer(body)` and stores the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderHandler)
        self.answer: Callable[[Any], HttpReply] = lambda body: (500, {}, b"")
        self.asked = list[tuple[str, str | None, Any]]()
        self.connections = set[tuple[str, int]]()
        self.delay_s = 0.0
        self.close_after_answer = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ProviderHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        self.server.connections.add(self.client_address)
        time.sleep(self.server.delay_s)
        status, headers, content = self.server.answer(body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        # Closed without "Connection: close", as a server does whose idle time has run out.
        self.close_connection = self.server.close_after_answer

    def log_message(self, *_: object) -> None:
        pass
