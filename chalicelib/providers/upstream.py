"""Asks an upstream service over HTTP/1.1: one connection a request, nothing followed, everything bounded.

No connection is kept: a Lambda function that has been frozen wakes up with dead ones, and a request that
is sent on one of those may or may not have arrived.
"""

import ssl
from contextlib import suppress
from functools import cache
from http.client import HTTPException, HTTPResponse
from socket import getaddrinfo
from time import monotonic

from chalicelib.errors import UpstreamFailed, UpstreamTimeout
from chalicelib.model.gateway import Outbound, UpstreamAnswer, are_well_formed
from chalicelib.providers.upstream_connection import (
    AddressRules,
    Connection,
    Origin,
    Resolve,
    open_connection,
)

# In base64, with 64 KB of headers, within the 6 MB that Lambda answers with.
MAX_BODY_BYTES = 4_400_000
PART_BYTES = 64 * 1024


class HttpUpstream:
    """One upstream service; safe to share between threads."""

    def __init__(self, origin: Origin, *, rules: AddressRules, resolve: Resolve = getaddrinfo) -> None:
        self.origin = origin
        self._rules = rules
        self._resolve = resolve

    def send(self, request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        """The answer as it came, its headers unfiltered.

        UpstreamUnreachable when nothing was sent, UpstreamTimeout, UpstreamFailed for what is no answer.
        """
        give_up_at = monotonic() + timeout_s
        connection = open_connection(
            self.origin, rules=self._rules, resolve=self._resolve, tls=_tls(), give_up_at=give_up_at
        )
        try:
            return self._exchange(connection, request)
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream service did not answer in time.") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _bad_answer("something that is not HTTP, or broke off") from error
        finally:
            connection.stream.shut()

    def _exchange(self, connection: Connection, request: Outbound) -> UpstreamAnswer:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self.origin.authority)
        connection.putheader("Connection", "close")
        for name, value in request.headers:
            connection.putheader(name, _encoded(value))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(request.body)))
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
            connection.endheaders(request.body or None)
        response = connection.getresponse()
        connection.stream.in_body = True
        headers = tuple(response.getheaders())
        _check(response, headers)
        return UpstreamAnswer(status=response.status, headers=headers, body=_body(response))


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _encoded(value: str) -> bytes:
    """API Gateway decodes headers as UTF-8, `chalice local` as Latin-1; what is not Latin-1 is the former's."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _check(response: HTTPResponse, headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse what could be read in two ways: odd headers, unknown codings, two lengths, provisional answers."""
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    codings = [value.lower() for name, value in headers if name.lower() == "transfer-encoding"]
    if response.msg.defects or not are_well_formed(headers):
        raise _bad_answer("headers that are none")
    if (
        len(lengths) > 1
        or any(not (length.isascii() and length.isdigit()) for length in lengths)
        or codings not in ([], ["chunked"])
    ):
        raise _bad_answer("a body of uncertain length")
    if not 200 <= response.status <= 599:
        raise _bad_answer(f"status {response.status}")


def _body(response: HTTPResponse) -> bytes:
    """Raises UpstreamFailed beyond MAX_BODY_BYTES, IncompleteRead for fewer bytes than were announced."""
    if response.length is not None:
        if response.length > MAX_BODY_BYTES:
            raise _too_large()
        return response.read()
    parts, size = list[bytes](), 0
    while part := response.read1(PART_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> UpstreamFailed:
    message = f"The upstream service answered more than {MAX_BODY_BYTES} bytes."
    return UpstreamFailed(message, code="upstream_answer_too_large")


def _bad_answer(what: str) -> UpstreamFailed:
    return UpstreamFailed(f"The upstream service answered {what}.", code="upstream_bad_answer")
