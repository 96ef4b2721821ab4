"""Emulates AWS: moto's server on one port, with S3 stored on disk and events really delivered."""

import io
import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.notifications import S3NotificationEvent
from werkzeug.datastructures import EnvironHeaders
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from local import moto_patches
from local.delivery import Delivery
from local.event_bus import EventBus
from local.layout import ACCOUNT
from local.object_files import ObjectFiles
from local.object_store import ObjectStore
from local.s3_access import Refused, check_post_form, check_presigned_url
from local.schedules import Scheduler

ACCOUNT_SETTINGS = "/2016-08-19/account-settings"
MAX_BODY_BYTES = 210 * 1024 * 1024

Environ = dict[str, Any]


class _RequestHandler(MotoRequestHandler):
    """Keeps connections, as AWS does: werkzeug's own handler closes each one after its first request."""

    protocol_version = "HTTP/1.1"
    timeout = 30  # of an idle connection
    # Otherwise small responses are sent 40 ms late.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer a request. The body is read before, so that the next request begins where this one ends."""
        length = int(self.headers.get("Content-Length") or 0)
        if "Transfer-Encoding" in self.headers or length > MAX_BODY_BYTES:
            del self.headers["Expect"]  # http.server has answered it
            super().run_wsgi()  # which refuses it, reads what is left, and closes the connection
            return
        environ = {**self.make_environ(), "wsgi.input": io.BytesIO(self.rfile.read(length))}
        body, status, headers = run_wsgi_app(self.server.app, environ)
        content = b"".join(body)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log(self, *_: object) -> None:
        """Log nothing: requests would flood the terminal."""


class Emulator:
    """An emulated AWS account. A process can have only one at a time: moto's state is global."""

    def __init__(
        self,
        *,
        port: int,
        files: ObjectFiles,
        delivery: Delivery,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hear: Callable[[Environ], None] = lambda environ: None,
    ) -> None:
        self._hear = hear
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.reset(files=files, delivery=delivery, now=now)
        self._server = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=_RequestHandler
        )
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def reset(self, *, files: ObjectFiles, delivery: Delivery, now: Callable[[], datetime]) -> None:
        """Start again as an empty account on the same port. No request may be in progress."""
        self.objects = ObjectStore(files)
        self.delivery = delivery
        self.concurrency = 1000
        self.bus = EventBus(delivery.deliver)
        self.scheduler = Scheduler(self.bus.send_to_targets)
        self._now = now
        moto_patches.install(self)

    def start(self) -> None:
        """Start to serve requests. Schedules fire once `scheduler` is started too."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="aws").start()

    def stop(self) -> None:
        """Stop the server and the schedules. Files on disk stay."""
        self.scheduler.stop()
        self._server.shutdown()
        self._server.server_close()

    def on_s3_change(self, account: str, name: S3NotificationEvent, bucket: Any, key: Any) -> None:
        self.objects.note(name.value, bucket, key)

    def put_events(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self.bus.put_events(entries)

    def check_post_form(self, bucket: str, fields: dict[str, str], size_bytes: int) -> None:
        check_post_form(bucket=bucket, fields=fields, size_bytes=size_bytes, now=self._now())

    def invoke(self, function: str, payload: bytes, *, wait: bool) -> tuple[bytes, bool]:
        if not wait:
            self.delivery.invoke_later(function, payload)
            return b"", False
        outcome = self.delivery.invoke_and_wait(function, payload)
        return outcome.payload, outcome.failed

    def on_mapping_created(self, mapping: Any) -> None:
        self.delivery.poll(mapping)

    def _answer(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        # moto takes the account from this header.
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = ACCOUNT
        try:
            self._admit(environ)
            self._hear(environ)
            if environ["PATH_INFO"].rstrip("/") == ACCOUNT_SETTINGS:
                return self._answer_settings(start_response)
            body, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
            header_list = headers.to_wsgi_list()
        except Refused as refusal:
            status, header_list, body = _refusal(refusal)
        for event in self.objects.settle(source_ip=environ.get("REMOTE_ADDR", "")):
            self.bus.publish(event)
        start_response(status, header_list)
        return body

    def _answer_settings(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer Lambda's GetAccountSettings, which moto has not."""
        limit = {"ConcurrentExecutions": self.concurrency, "UnreservedConcurrentExecutions": self.concurrency}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"AccountLimit": limit}).encode()]

    def _admit(self, environ: Environ) -> None:
        """Raise Refused for a body that is too large, and for an S3 request without a valid signature."""
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", ""):
            raise Refused(
                "MissingContentLength", "You must provide the Content-Length HTTP header.", status=411
            )
        if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            raise Refused(
                "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", status=400
            )
        method = environ["REQUEST_METHOD"]
        is_form = method == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
        is_signed = "HTTP_AUTHORIZATION" in environ or "HTTP_X_AMZ_TARGET" in environ
        if method == "OPTIONS" or is_form or is_signed:
            return
        check_presigned_url(
            method=method,
            raw_path=urlsplit(environ["REQUEST_URI"]).path,
            query=environ.get("QUERY_STRING", ""),
            headers={name.lower(): value for name, value in EnvironHeaders(environ)},
            now=self._now(),
        )


def _refusal(refusal: Refused) -> tuple[str, list[tuple[str, str]], list[bytes]]:
    fields = {"Code": refusal.code, "Message": refusal.message, **refusal.fields}
    elements = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'.encode()
    headers = [
        ("Content-Type", "application/xml"),
        ("Content-Length", str(len(body))),
        ("Access-Control-Allow-Origin", "*"),
    ]
    return f"{refusal.status} {refusal.code}", headers, [body]
