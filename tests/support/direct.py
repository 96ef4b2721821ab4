"""boto3's requests handed to the emulator without a socket: half the CPU of a call. tests/local ask over HTTP."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from urllib3 import HTTPResponse
from werkzeug.test import run_wsgi_app

from local.aws import Emulator

_send = URLLib3Session.send


@contextmanager
def asked_directly(emulator: Emulator) -> Iterator[None]:
    """Answer the requests to this emulator's own port in the caller's thread. Those to other ports go out."""

    def send(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        if urlsplit(request.url).netloc != f"127.0.0.1:{emulator.port}":
            return _send(session, request)
        chunks, status, headers = run_wsgi_app(emulator._answer, _environ(request))
        body = io.BytesIO(b"".join(chunks))
        raw = HTTPResponse(
            body, dict(headers), int(status.split()[0]), preload_content=False, request_method=request.method
        )
        answer = AWSResponse(request.url, raw.status, raw.headers, raw)
        if not request.stream_output:
            _ = answer.content  # as botocore reads it
        return answer

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(URLLib3Session, "send", send)
        yield


def _environ(request: AWSPreparedRequest) -> dict[str, Any]:
    """Return WSGI's environment of the request, as werkzeug's server makes it."""
    url = urlsplit(request.url)
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body.read() if hasattr(body, "read") else bytes(body)
    target = f"{url.path}?{url.query}" if url.query else url.path
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path).encode().decode("latin-1"),
        "QUERY_STRING": url.query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = text
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
