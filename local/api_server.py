"""Serves the API with `chalice local`, patched where that differs from API Gateway or is slow.

Run `python -P -m local.api_server PORT` in the project's directory. The process ends when its standard input ends.
"""

import socketserver
import sys
import threading
import uuid
from typing import Any

import chalice.local
from chalice.cli import cli

from deploy.gateway_responses import TOO_LARGE
from local import route_matching
from local.layout import STAGE
from local.parent_watch import die_with_parent

MAX_BODY_BYTES = 10 * 1024 * 1024
# Requests that the app works on at once; others wait. With all of 50 clients in one process, each waits for the others
# in the middle of its calls, which then take longer than their timeouts. In Lambda each has a process of its own.
AT_ONCE = 16

_places = threading.BoundedSemaphore(AT_ONCE)
_handle_request = chalice.local.LocalGateway.handle_request
_parse_payload = chalice.local.ChaliceRequestHandler._parse_payload
_create_lambda_event = chalice.local.LambdaEventConverter.create_lambda_event
_send_with_body = chalice.local.ChaliceRequestHandler._send_http_response_with_body


class RequestTooLong(chalice.local.LocalGatewayException):
    """The request's body is over API Gateway's limit."""

    CODE = 413


def handle_request(gateway: Any, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Any:
    if body and len(body) > MAX_BODY_BYTES:
        problem = TOO_LARGE["responseTemplates"]["application/json"]
        given = TOO_LARGE["responseParameters"].items()
        constant = {name.removeprefix("gatewayresponse.header."): value.strip("'") for name, value in given}
        body = problem.replace("$context.requestId", str(uuid.uuid4())).encode()
        raise RequestTooLong({"Content-Type": "application/json", **constant}, body)
    with _places:
        return _handle_request(gateway, method, path, headers, body)


class AllHeaders(dict[str, str]):
    """A request's headers as Chalice has them, with one value per name. `repeated` has all values of each name."""

    repeated: dict[str, list[str]]


def parse_payload(handler: Any) -> tuple[AllHeaders, bytes | None]:
    headers, body = _parse_payload(handler)
    found = AllHeaders(headers)
    found.repeated = {name: handler.headers.get_all(name) for name in headers}
    return found, body


def create_lambda_event(
    converter: Any, method: str, path: str, headers: Any, body: bytes | None = None
) -> Any:
    event = _create_lambda_event(converter, method, path, headers, body)
    return {**event, "multiValueHeaders": headers.repeated}


def send_with_body(handler: Any, code: int, headers: dict[str, str], body: str | bytes) -> None:
    """Send the response. The response to HEAD has no body: a client would read it as the next response.

    It has no Content-Length either. That would be the length of GET's body, which the app has already dropped.
    """
    if handler.command != "HEAD":
        return _send_with_body(handler, code, headers, body)
    handler.send_response(code)
    handler._send_headers(headers)


class _PerThread:
    """An attribute of the app with one value per thread, as each request has a thread."""

    def __init__(self) -> None:
        self._values = threading.local()

    def __get__(self, instance: object, owner: type) -> Any:
        return getattr(self._values, "value", None)

    def __set__(self, instance: object, value: Any) -> None:
        self._values.value = value


def main() -> None:
    die_with_parent()
    route_matching.install()
    # Otherwise a response of two packets waits 40 ms for an acknowledgement.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    for owner, name, replacement in (
        (chalice.local.LocalGateway, "handle_request", handle_request),
        (chalice.local.ChaliceRequestHandler, "_parse_payload", parse_payload),
        (chalice.local.LambdaEventConverter, "create_lambda_event", create_lambda_event),
        (chalice.local.ChaliceRequestHandler, "_send_http_response_with_body", send_with_body),
        (chalice.local.LocalChalice, "lambda_context", _PerThread()),
        (chalice.local.ThreadedHTTPServer, "request_queue_size", 128),
    ):
        setattr(owner, name, replacement)
    cli(args=["local", "--no-autoreload", "--stage", STAGE, "--port", sys.argv[1]], obj={})


if __name__ == "__main__":
    main()
