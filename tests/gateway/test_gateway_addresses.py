"""The gateway connects to nothing but what it may, in whatever notation, through whatever resolver."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Any

import pytest

from chalicelib.errors import CollectionsError
from chalicelib.model.gateway.addresses import may_connect
from chalicelib.model.gateway.gateway import Outbound
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.providers.gateway.upstream import HttpUpstream
from chalicelib.providers.http import dial as http_dial
from chalicelib.providers.http.dial import AddressRules, origin_of
from chalicelib.settings import InvalidSetting, Settings
from tests.support.settings import SETTINGS
from tests.support.upstreams import (
    SECRET,
    RawUpstream,
    gateway_app,
    problem_of,
    raw_upstream,
    rest_event,
    service,
)

PUBLIC = "93.184.216.34"
GET = Outbound(method="GET", target="/", headers=(), body=b"")
# Hosts as an operator could be tricked, or could try, to write them into a variable. None is connected to, be it
# that the settings refuse the notation or that the rules refuse the address.
HOSTS = [
    # this machine
    *(
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0.0.0.0",
        "0",
    ),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    # decimal, octal, hexadecimal, mixed, overflowing
    *(
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "0177.0.0x0.1",
        "127.0.0.01",
    ),
    *("00127.0.0.1", "0x7F.1", "127.0x1", "4294967297", "127.0.0.257", "256.256.256.256", "127.0.0.1.", "1"),
    # digits and dots of other scripts, of which IDNA makes 127.0.0.1
    *(
        "１２７.０.０.１",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７｡０｡０｡１",
        "loc\u00adalhost",
        "ｌｏｃａｌｈｏｓｔ",
    ),
    # metadata and link-local, in all these ways
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "169.254.170.2"),
    *("[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"),
    *(
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
    ),
    *("[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]", "[::a9fe:a9fe]", "[::ffff:0:a9fe:a9fe]"),
    *(
        "[2606:4700::5efe:a9fe:a9fe]",
        "[2606:4700::200:5efe:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
    ),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    # private, shared, reserved
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "[fc00::1]", "[fd12:3456::1]"),
    *("[fec0::1]", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "240.0.0.1", "255.255.255.255"),
    *("224.0.0.1", "239.255.255.255", "[ff02::1]", "[2001:db8::1]", "[100::1]", "[5f00::1]", "[3fff::1]"),
    # not a host
    *(
        "user@127.0.0.1",
        "user:password@example.com",
        "example.com#@127.0.0.1",
        "example.com?@127.0.0.1",
        "a b",
    ),
    *(
        "example.com\\@127.0.0.1",
        "127.0.0.1%2f@example.com",
        "127.0.0.1\t",
        "127.0.0.1\r\nX: 1",
        "[v1.x]",
        "[::1",
    ),
]
# What a name of good form resolves to; one bad address among good ones is enough.
RECORDS = [
    *(["127.0.0.1"], ["::1"], ["169.254.169.254"], ["fe80::1%2"], ["::ffff:169.254.169.254"], ["10.1.2.3"]),
    *(["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["fd00:ec2::254"], ["0.0.0.0"], ["::"], ["224.0.0.1"], []),
    *(
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["2606:4700::1", "169.254.169.254"],
        [PUBLIC, "10.0.0.1"],
    ),
    *(["not an address"], ["2130706433"], ["127.1"]),
]


@pytest.fixture(scope="module")
def everywhere() -> Iterator[list[RawUpstream]]:
    """Listeners on one port of every address of this machine."""
    with ExitStack() as stack:
        four = stack.enter_context(raw_upstream(host="0.0.0.0"))
        found = [four]
        if socket.has_ipv6:
            found.append(stack.enter_context(raw_upstream(host="::", port=four.port)))
        yield found


def attempt(url: str, records: list[str] | None = None, **rules: Any) -> str:
    """Return the outcome of a call to such an upstream: an error's code, the refused variable, or "answered"."""
    resolve = socket.getaddrinfo
    if records is not None:
        resolve = lambda *_, **__: [(0, 1, 6, "", (record, 0)) for record in records]  # type: ignore[assignment]  # noqa: E731
    try:
        env = {**SETTINGS, "SESSION_SECRET": SECRET, "UPSTREAM_USER_SERVICE_URL": url}
        settings = Settings.from_env(env)
        asked = HttpUpstream(
            origin_of(settings.upstream_urls["user"]), rules=AddressRules(**rules), resolve=resolve
        )
        asked.send(GET, timeout_s=2.0)
    except InvalidSetting as error:
        return str(error).partition(": ")[0]
    except CollectionsError as error:
        return error.code
    return "answered"


def test_the_table_is_long_enough() -> None:
    assert len(set(HOSTS)) + len(RECORDS) >= 60
    assert len(set(HOSTS)) == len(HOSTS)


@pytest.mark.parametrize("host", HOSTS)
def test_no_connection_is_made_to_such_a_host(host: str, everywhere: list[RawUpstream]) -> None:
    before = [each.connections for each in everywhere]
    for scheme in ("http", "https"):
        outcome = attempt(f"{scheme}://{host}:{everywhere[0].port}")
        assert outcome in ("UPSTREAM_USER_SERVICE_URL", "upstream_address"), (
            "refused before anything is dialled"
        )
    assert [each.connections for each in everywhere] == before


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "localhost",
        "１２７.０.０.１",
        "127。0。0。1",
    ],
)
def test_a_plain_client_would_have_connected(host: str) -> None:
    """So that the silence above means something."""
    with raw_upstream(host="0.0.0.0") as found:
        socket.create_connection((host, found.port), timeout=5).close()


@pytest.mark.parametrize("records", RECORDS, ids=str)
def test_a_name_with_such_records_is_not_connected_to(
    records: list[str], everywhere: list[RawUpstream]
) -> None:
    before = [each.connections for each in everywhere]
    outcome = attempt(f"http://users.example.com:{everywhere[0].port}", records)
    assert outcome == ("upstream_address" if records else "upstream_unreachable")
    assert [each.connections for each in everywhere] == before


def test_a_name_that_rebinds_is_resolved_once_and_that_address_dialled() -> None:
    with raw_upstream() as good, raw_upstream(host="127.0.0.2", port=good.port) as evil:
        asked: list[str] = []

        def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", good.port))]

        there = service("user", f"http://rebinds.example:{good.port}", resolve=resolve)
        route = GatewayRoute(upstream="user", prefix="/users", public=True)
        answer = gateway_app(there, routes=[route])(rest_event("GET", "/users"), None)
        assert answer["statusCode"] == 200
        assert (asked, good.connections, evil.connections) == (["rebinds.example"], 1, 0)


def test_a_name_that_is_not_resolved_in_time() -> None:
    over = threading.Event()
    there = service("user", "http://slow.example", resolve=lambda *_, **__: over.wait(60))
    route = GatewayRoute(upstream="user", prefix="/users", public=True, timeout_s=0.5)
    answer = gateway_app(there, routes=[route])(rest_event("GET", "/users"), None)
    over.set()
    assert problem_of(answer) == (504, "upstream_timeout")


def test_the_next_address_is_dialled_when_the_first_does_not_answer() -> None:
    with raw_upstream() as found:
        records = ["127.0.0.3", "127.0.0.1"]
        url = f"http://users.example.com:{found.port}"
        assert attempt(url, records, allow_loopback=True) == "answered"


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert may_connect(address)


def test_private_ones_where_they_are_allowed_and_only_there() -> None:
    allowed = tuple(map(ip_network, ["10.1.0.0/16", "fd12::/16", "100.64.0.0/10"]))
    assert may_connect("10.1.2.3", allow_private=allowed)
    assert may_connect("::ffff:10.1.2.3", allow_private=allowed)
    assert may_connect("fd12::1", allow_private=allowed)
    assert not may_connect("10.2.0.1", allow_private=allowed)
    assert not may_connect("100.100.100.200", allow_private=allowed)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"),
        *("168.63.129.16", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::"),
        *("2001:0:a9fe:a9fe::", "2606:4700::5efe:a9fe:a9fe", "::a9fe:a9fe", "198.18.0.1", "2001:db8::1"),
        *("192.0.0.192", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "3fff::1"),
        *("2606:4700::1%1", "5f00::1", "fec0::1"),
    ],
)
def test_what_is_never_dialled_even_when_everything_is_allowed(address: str) -> None:
    assert not may_connect(address, allow_private=(ip_network("0.0.0.0/0"), ip_network("::/0")))


def test_connecting_has_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_dial, "CONNECT_S", 0.5)
    started = time.monotonic()
    over = threading.Event()
    there = service("user", "http://slow.example", resolve=lambda *_, **__: over.wait(60))
    route = GatewayRoute(upstream="user", prefix="/users", public=True, timeout_s=30.0)
    answer = gateway_app(there, routes=[route])(rest_event("GET", "/users"), None)
    assert problem_of(answer) == (504, "upstream_timeout")
    over.set()
    assert time.monotonic() - started < 20
