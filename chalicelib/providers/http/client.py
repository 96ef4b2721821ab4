"""The app's one HTTP/1.1 client: for providers, for upstream services and for issuers of tokens.

One deadline covers a whole exchange, from resolving the name to the body's last byte. Heads and bodies are bounded,
redirects are not followed, and provisional responses (1xx) are skipped. h11 parses. Responses that h11 accepts but that
two programs could read in two ways are refused here.
"""

import re
import select
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from socket import getaddrinfo, socket

import h11

from chalicelib.model.gateway.gateway_headers import are_well_formed
from chalicelib.providers.http.dial import AddressRules, ExchangeFailed, Origin, Resolve, dial, left_s

Headers = tuple[tuple[str, str], ...]
MAX_HEAD_BYTES = 64 * 1024  # of a response and all provisional responses before it
MAX_HEADERS = 100
PART_BYTES = 64 * 1024
# RFC 9112 2.2 and 5.2: a lone CR or LF, and a folded line.
_TWO_READINGS = re.compile(rb"\r(?!\n)|(?<!\r)\n|\n[ \t]")
_BODILESS = (204, 304)
_CLOSED = (ConnectionError, ssl.SSLEOFError)


class HttpAnswer:
    """A response whose body is read once, by `read` or by `parts`.

    Both raise ExchangeFailed for more than `max_bytes`, and for fewer bytes than were announced.
    """

    def __init__(self, connection: "_Connection", response: h11.Response, *, has_body: bool) -> None:
        self.status = response.status_code
        self.headers: Headers = _decoded(response)
        length = dict(response.headers).get(b"content-length") if has_body else None
        self._announced = int(length or 0)
        self._connection = connection

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)

    def read(self, max_bytes: int) -> bytes:
        return b"".join(self.parts(max_bytes))

    def parts(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the body in pieces as they arrive."""
        if self._announced > max_bytes:
            raise ExchangeFailed("too_large")
        size = 0
        for part in self._connection.body():
            size += len(part)
            if size > max_bytes:
                raise ExchangeFailed("too_large")
            yield part


class HttpClient:
    """A client of one server. Thread-safe.

    Each request has a connection of its own. With `keep`, each thread reuses one connection.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        rules: AddressRules | None = None,
        keep: bool = False,
        resolve: Resolve = getaddrinfo,
    ) -> None:
        self.origin = origin
        self._rules, self._keep, self._resolve = rules, keep, resolve
        self._local = threading.local()

    @contextmanager
    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        give_up_at: float,
    ) -> Iterator[HttpAnswer]:
        """Send a request and give its response. `headers` has no Host, Connection and Content-Length.

        `give_up_at` is a time of time.monotonic(). Raise ExchangeFailed, also while the body is read.
        """
        request = self._request(method, target, headers, body)
        connection: _Connection | None = None
        is_kept = False
        try:
            connection, response = self._exchange(request, body, give_up_at)
            has_body = method != "HEAD" and response.status_code not in _BODILESS
            yield HttpAnswer(connection, response, has_body=has_body)
            is_kept = self._keep and connection.make_ready()
        except TimeoutError as error:
            raise ExchangeFailed("timeout") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise ExchangeFailed("malformed") from error
        finally:
            if is_kept:
                self._local.kept = connection
            elif connection is not None:
                connection.close()

    def _request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
    ) -> h11.Request:
        sent = [(b"Host", self.origin.authority.encode())]
        if not self._keep:
            sent.append((b"Connection", b"close"))
        sent += [(name.encode(), _encoded(value)) for name, value in headers]
        if body or method in ("POST", "PUT", "PATCH"):
            sent.append((b"Content-Length", str(len(body)).encode()))
        return h11.Request(method=method, target=target, headers=sent)

    def _exchange(
        self, request: h11.Request, body: bytes, give_up_at: float
    ) -> tuple["_Connection", h11.Response]:
        """Send on the kept connection, or on a new one if the server has closed the kept one."""
        kept: _Connection | None = self._local.__dict__.pop("kept", None)
        if kept is not None and kept.is_quiet():
            try:
                return kept, kept.exchange(request, body, give_up_at)
            except ConnectionResetError:
                pass
            except BaseException:
                kept.close()
                raise
        if kept is not None:
            kept.close()
        sock = dial(self.origin, rules=self._rules, resolve=self._resolve, give_up_at=give_up_at)
        connection = _Connection(sock)
        try:
            return connection, connection.exchange(request, body, give_up_at)
        except BaseException:
            connection.close()
            raise


class _Connection:
    """A socket whose every wait ends at the exchange's deadline."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._give_up_at = 0.0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    def exchange(self, request: h11.Request, body: bytes, give_up_at: float) -> h11.Response:
        """Send a request and return the head of its response.

        Raise ConnectionResetError if the connection was closed before the first byte of the response. Raise
        TimeoutError, OSError or h11.RemoteProtocolError.
        """
        self._give_up_at = give_up_at
        data = self._http.send(request) + (self._http.send(h11.Data(data=body)) if body else b"")
        self._http.send(h11.EndOfMessage())
        with suppress(*_CLOSED):  # the server may respond before it has read everything
            self._send_all(data)
        return self._head()

    def body(self) -> Iterator[bytes]:
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                self._http.receive_data(self._receive(PART_BYTES))

    def make_ready(self) -> bool:
        """Prepare for another request. Return False if this connection cannot be used again."""
        is_ready = self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
        if not is_ready or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True

    def is_quiet(self) -> bool:
        """Return False if the server has closed this connection, or has sent bytes without a request."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._sock.close()

    def _head(self) -> h11.Response:
        received = bytearray()
        while not isinstance(event := self._http.next_event(), h11.Response):
            if isinstance(event, h11.InformationalResponse):
                continue
            if len(received) >= MAX_HEAD_BYTES:
                raise h11.RemoteProtocolError("the head is too long")
            try:
                part = self._receive(MAX_HEAD_BYTES - len(received))
            except _CLOSED:
                part = b""
            if not part and not received:
                raise ConnectionResetError("closed before it answered")
            received += part
            self._http.receive_data(part)
        _check(event, bytes(received[: len(received) - len(self._http.trailing_data[0])]))
        return event

    def _receive(self, max_bytes: int) -> bytes:
        self._sock.settimeout(left_s(self._give_up_at))
        return self._sock.recv(max_bytes)

    def _send_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(left_s(self._give_up_at))
            rest = rest[self._sock.send(rest) :]


def _check(response: h11.Response, head: bytes) -> None:
    """Raise RemoteProtocolError for a response that could be read in two ways, and for too many headers."""
    names = [name for name, _ in response.headers]
    if len(names) > MAX_HEADERS:
        raise h11.RemoteProtocolError("too many headers")
    if _TWO_READINGS.search(head) or not are_well_formed(_decoded(response)):
        raise h11.RemoteProtocolError("lines that could be read in two ways")
    is_chunked = b"transfer-encoding" in names
    # RFC 9112 6.1 and 6.3: with both lengths, or chunked in HTTP/1.0, another program may see another end.
    if is_chunked and (b"content-length" in names or response.http_version != b"1.1"):
        raise h11.RemoteProtocolError("two lengths")
    if response.http_version not in (b"1.0", b"1.1") or response.status_code > 599:
        raise h11.RemoteProtocolError("no HTTP/1.1")


def _decoded(response: h11.Response) -> Headers:
    return tuple(
        (name.decode("ascii"), value.decode("latin-1")) for name, value in response.headers.raw_items()
    )


def _encoded(value: str) -> bytes:
    """Return the header's bytes. API Gateway decodes headers as UTF-8, `chalice local` as Latin-1."""
    try:
        encoded = value.encode("latin-1")
    except UnicodeEncodeError:
        encoded = value.encode()
    return encoded.strip(b" \t")
