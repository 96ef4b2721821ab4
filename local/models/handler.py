"""Serves functions from JSON to JSON over HTTP/1.1, with kept connections, bounded bodies and OpenAI's error format."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol, cast

from local.models.wire import Refused, error_body

_MAX_BODY_BYTES = 32 * 1024 * 1024


class _Routes(Protocol):
    health: Callable[[], dict[str, Any]]
    posts: dict[str, Callable[[Any], dict[str, Any]]]


class ModelsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, self._routes.health())
        else:
            self._answer(404, error_body("No such path.", kind="invalid_request_error"))

    def do_POST(self) -> None:
        """Send the result of the path's function. An unexpected error closes the connection."""
        function = self._routes.posts.get(self.path)
        try:
            body = self._body()
            if function is None:
                raise Refused(404, "No such path.")
            self._answer(200, function(body))
        except Refused as refused:
            self._answer(refused.status, refused.body)
        except TimeoutError as error:
            self._answer(503, error_body(f"Busy: {error}.", kind="server_error"))
        except ConnectionError:
            self.close_connection = True

    @property
    def _routes(self) -> _Routes:
        return cast("_Routes", self.server)

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
            # The body stays unread, so a later request on this connection could not be understood.
            self.close_connection = True
            status = 413 if length.isdigit() else 411
            raise Refused(status, f"Content-Length is required and must be at most {_MAX_BODY_BYTES}.")
        try:
            return json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise Refused(400, "The body is not JSON.") from error

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if status == 503:
            self.send_header("Retry-After", "5")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing for a request that succeeds: the log is for errors."""
