"""Opens connections for client.py: resolves a name once, checks every address, and connects to one of them.

So it does not matter what the name resolves to a moment later. A certificate would not help: TLS checks the name, not
the address.
"""

import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import cache
from ipaddress import ip_address
from time import monotonic
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.model.gateway.addresses import Network, may_connect

Resolve = Callable[..., Sequence[Any]]
Reason = Literal["address", "unreachable", "connect_timeout", "timeout", "malformed", "too_large"]
CONNECT_S = 5.0
_PORTS = {"http": 80, "https": 443}
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")


class ExchangeFailed(Exception):
    """Raised when there is no usable response. Each caller of HttpClient translates it into an error of the app's tree.

    `reason`: "address" (the name leads to an address that may not be dialled), "unreachable", "connect_timeout"
    (with these three nothing has been sent), "timeout", "malformed" (not HTTP, or broken off), "too_large".
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Origin(Struct, frozen=True, kw_only=True):
    """A server. `host` has no brackets. `base_path` precedes every path and has no slash at its end."""

    scheme: str
    host: str
    port: int
    base_path: str

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class AddressRules(Struct, frozen=True, kw_only=True):
    """Addresses that may be connected to in addition to the public ones."""

    allow_private: tuple[Network, ...] = ()
    allow_loopback: bool = False


def origin_of(url: str) -> Origin:
    """Return the origin of an http(s) URL. Raise ValueError for any other URL."""
    parts = urlsplit(url)
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or parts.username is not None
        or _UNSENDABLE.search(parts.path)
    ):
        raise ValueError("The URL must be http(s)://host[:port][/path].")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    port = parts.port or _PORTS[parts.scheme]
    return Origin(scheme=parts.scheme, host=host, port=port, base_path=parts.path.rstrip("/"))


def dial(origin: Origin, *, rules: AddressRules | None, resolve: Resolve, give_up_at: float) -> socket.socket:
    """Return a connection, with TLS for an https origin. Without `rules` every address is allowed.

    Raise ExchangeFailed; nothing has been sent then.
    """
    connect_by = min(give_up_at, monotonic() + CONNECT_S)
    last: OSError | None = None
    try:
        addresses = _allowed_addresses(origin, rules, resolve, connect_by)
        for tried, address in enumerate(addresses):
            # Each address gets a share of the time, so that one that does not respond leaves time for the next.
            share_by = monotonic() + left_s(connect_by) / (len(addresses) - tried)
            try:
                return _connect(origin, address, share_by)
            except OSError as error:
                last = error
    except TimeoutError as error:
        last = error
    raise ExchangeFailed("connect_timeout" if isinstance(last, TimeoutError) else "unreachable") from last


def left_s(give_up_at: float) -> float:
    """Return the seconds until `give_up_at`. Raise TimeoutError if none are left."""
    left = give_up_at - monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


@cache
def tls() -> ssl.SSLContext:
    """Return a TLS context with the system's certificates that checks the host's name."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _connect(origin: Origin, address: str, by: float) -> socket.socket:
    """Return a connection to exactly this address. Raise OSError."""
    sock = socket.create_connection((address, origin.port), timeout=left_s(by))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(left_s(by))
        return tls().wrap_socket(sock, server_hostname=origin.host) if origin.scheme == "https" else sock
    except BaseException:
        sock.close()
        raise


def _allowed_addresses(origin: Origin, rules: AddressRules | None, resolve: Resolve, by: float) -> list[str]:
    """Return all addresses of the name. Raise ExchangeFailed if any of them is not allowed."""
    found = list(dict.fromkeys(entry[4][0] for entry in _resolved(origin, resolve, by)))
    for address in found:
        if rules is not None and not may_connect(
            address, allow_private=rules.allow_private, allow_loopback=rules.allow_loopback
        ):
            raise ExchangeFailed("address")
    return found


def _resolved(origin: Origin, resolve: Resolve, by: float) -> Sequence[Any]:
    """Return the name's addresses, resolved in a thread because getaddrinfo has no timeout. Raise TimeoutError."""
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
    except queue.Empty as error:
        raise TimeoutError("the name was not resolved in time") from error
    if isinstance(answer, Exception):
        raise ExchangeFailed("unreachable") from answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
