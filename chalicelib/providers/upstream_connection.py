"""Connections to upstream services: the name is resolved once, every address judged, and one of those dialled.

What the name would resolve to a moment later does not matter, and neither does the certificate: TLS checks
the name, not the address.
"""

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from io import BufferedReader, RawIOBase
from ipaddress import ip_address
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.errors import UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from chalicelib.model.addresses import Network, may_connect

Resolve = Callable[..., Sequence[Any]]
CONNECT_S = 5.0
MAX_HEADER_BYTES = 64 * 1024


class Origin(Struct, frozen=True, kw_only=True):
    """Where an upstream is: `host` without brackets, `base_path` before every path."""

    scheme: str
    host: str
    port: int
    base_path: str

    @property
    def authority(self) -> str:
        """As the Host header says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


class AddressRules(Struct, frozen=True, kw_only=True):
    """What may be dialled beside public addresses."""

    allow_private: tuple[Network, ...] = ()
    allow_loopback: bool = False


def origin_of(url: str) -> Origin:
    """Of a URL that the settings have found in order."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return Origin(scheme=parts.scheme, host=parts.hostname or "", port=port, base_path=parts.path.rstrip("/"))


class Connection(HTTPConnection):
    """HTTP/1.1 over one socket, every single wait of which ends at `give_up_at`."""

    def __init__(self, origin: Origin, sock: socket.socket, *, give_up_at: float) -> None:
        super().__init__(origin.host, origin.port)
        self.auto_open = 0  # never another connection, to wherever the name leads by then
        self.stream = TimedStream(sock, give_up_at=give_up_at)
        self.sock = self.stream  # all that HTTPConnection uses of a socket is there


class TimedStream(RawIOBase):
    """A socket as http.client uses it. Until `in_body` is set it gives MAX_HEADER_BYTES at most."""

    def __init__(self, sock: socket.socket, *, give_up_at: float) -> None:
        self._sock = sock
        self._give_up_at = give_up_at
        self._received = 0
        self.in_body = False

    def makefile(self, *_: Any, **__: Any) -> BufferedReader:
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(left_s(self._give_up_at))
        received = self._sock.recv_into(buffer)
        self._received += received
        if not self.in_body and self._received > MAX_HEADER_BYTES:
            raise UpstreamFailed(
                "The upstream service's answer has too long a head.", code="upstream_bad_answer"
            )
        return received

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(left_s(self._give_up_at))
            rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        """Nothing: http.client lets go of the connection before the answer's body is read."""

    def shut(self) -> None:
        self._sock.close()


def open_connection(
    origin: Origin, *, rules: AddressRules, resolve: Resolve, tls: ssl.SSLContext, give_up_at: float
) -> Connection:
    """Raises UpstreamUnreachable or, by the time, UpstreamTimeout: nothing has been sent then."""
    connect_by = min(give_up_at, monotonic() + CONNECT_S)
    addresses = _allowed_addresses(origin, rules, resolve, connect_by)
    last: OSError | None = None
    for tried, address in enumerate(addresses):
        try:
            # A share each, so that one that swallows everything leaves time for the next.
            share_by = monotonic() + left_s(connect_by) / (len(addresses) - tried)
            return Connection(origin, _dial(origin, address, tls, share_by), give_up_at=give_up_at)
        except OSError as error:
            last = error
    if isinstance(last, TimeoutError):
        raise UpstreamTimeout("The upstream service could not be reached in time.") from last
    raise UpstreamUnreachable("The upstream service cannot be reached.") from last


def _dial(origin: Origin, address: str, tls: ssl.SSLContext, by: float) -> socket.socket:
    """A connection with its TLS, if it has any. Raises OSError."""
    sock = socket.create_connection((address, origin.port), timeout=left_s(by))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(left_s(by))
        return tls.wrap_socket(sock, server_hostname=origin.host) if origin.scheme == "https" else sock
    except BaseException:
        sock.close()
        raise


def left_s(give_up_at: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    left = give_up_at - monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


def _allowed_addresses(origin: Origin, rules: AddressRules, resolve: Resolve, by: float) -> list[str]:
    """All addresses of the name, or an error when only one of them is not allowed."""
    found = list(dict.fromkeys(entry[4][0] for entry in _resolve(origin, resolve, by)))
    for address in found:
        if not may_connect(address, allow_private=rules.allow_private, allow_loopback=rules.allow_loopback):
            raise UpstreamFailed(
                "The upstream service's name leads where no upstream may be.", code="upstream_address"
            )
    return found


def _resolve(origin: Origin, resolve: Resolve, by: float) -> Sequence[Any]:
    """In a thread of its own: getaddrinfo knows no timeout."""
    if _is_address(origin.host):
        return [(None, None, None, "", (origin.host, origin.port))]
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(origin.host, origin.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=left_s(by))
    except (queue.Empty, TimeoutError) as error:
        raise UpstreamTimeout("The upstream service's name was not resolved in time.") from error
    if isinstance(answer, Exception):
        raise UpstreamUnreachable("The upstream service's name cannot be resolved.") from answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
