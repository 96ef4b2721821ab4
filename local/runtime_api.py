"""Serves the Lambda Runtime API over HTTP: a worker process gets its next event here and posts its result.

One server serves all workers. Each worker process has its own environment under /<environment id>/; it gets the
address as AWS_LAMBDA_RUNTIME_API. See "Using the Lambda runtime API" in Lambda's guide.
"""

import queue
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from uuid import uuid4

from local.invocations import Invocation, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """A change of an environment: it took its event, sent its result, could not start, or its process ended."""

    kind: Literal["taken", "answered", "init_failed", "exited"]
    request_id: str = ""
    outcome: Outcome | None = None
    detail: str = ""


class Environment:
    """A worker process as the runtime API sees it: events go in, happenings come out."""

    def __init__(self, *, timeout_s: float) -> None:
        self.id = uuid4().hex
        self.timeout_s = timeout_s
        self.happenings: queue.Queue[Happening] = queue.Queue()
        self._inbox: queue.Queue[Invocation | None] = queue.Queue()

    def hand_over(self, invocation: Invocation) -> None:
        self._inbox.put(invocation)

    def happening_before(self, deadline: float) -> Happening | None:
        """Wait for the next happening. Return None if there is none by `deadline`, in seconds of time.monotonic()."""
        try:
            return self.happenings.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def next(self) -> Invocation | None:
        """Wait for the next event and return it. Its timeout starts now. Return None if the environment is closed."""
        invocation = self._inbox.get()
        if invocation:
            self.happenings.put(Happening(kind="taken"))
        return invocation

    def close(self, detail: str) -> None:
        """Report that the process has ended, and end a request that still waits for an event."""
        self._inbox.put(None)
        self.happenings.put(Happening(kind="exited", detail=detail))


class RuntimeApi:
    """The server of all open environments, on 127.0.0.1:`port`."""

    def __init__(self, port: int) -> None:
        self._environments: dict[str, Environment] = {}
        environments = self._environments

        class Handler(_Handler):
            def environment(self) -> Environment | None:
                return environments.get(self.path.split("/")[1])

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), daemon=True, name="runtime-api"
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def open(self, environment: Environment) -> str:
        """Serve the environment. Return its address for AWS_LAMBDA_RUNTIME_API."""
        self._environments[environment.id] = environment
        return f"127.0.0.1:{self.port}/{environment.id}"

    def close(self, environment: Environment, detail: str) -> None:
        self._environments.pop(environment.id, None)
        environment.close(detail)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Print the error, unless it is a lost connection: a worker may be killed while it waits."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def environment(self) -> Environment | None:
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Log nothing: the functions log their invocations."""

    def do_GET(self) -> None:
        environment = self.environment()
        invocation = environment.next() if environment and self.path.endswith("/invocation/next") else None
        if not environment or not invocation:
            return self._send(410, b"{}")
        deadline_ms = int((time.time() + environment.timeout_s) * 1000)
        self._send(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        environment = self.environment()
        if not environment:
            return self._send(410, b"{}")
        *_, request_id, what = self.path.split("/")
        if self.path.endswith("/init/error"):
            happening = Happening(kind="init_failed", outcome=Outcome(payload=body, failed=True))
        else:
            outcome = Outcome(payload=body or b"null", failed=what == "error")
            happening = Happening(kind="answered", request_id=request_id, outcome=outcome)
        environment.happenings.put(happening)
        self._send(202, b'{"status":"OK"}')

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            **(headers or {}),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
