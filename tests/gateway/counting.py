"""An upstream whose answers can be told apart, and requests to it through the gateway's cache."""

import itertools

from chalicelib.model.gateway.gateway import Client, Headers, Identity, Inbound, UpstreamAnswer
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.ops.gateway import forward
from chalicelib.stores.postgres.postgres import Database
from tests.support.upstreams import RawUpstream, answering, service

ROUTE = GatewayRoute(upstream="product", prefix="/products", cache=True)
ALICE, BOB = (Identity(user_id=name, roles=("user",)) for name in ("alice", "bob"))
CLIENT = Client(address="192.0.2.7", host="api.example.com", scheme="https")


class Counting:
    """An upstream whose every answer is another: `1`, `2`, `3` and so on."""

    def __init__(self, upstream: RawUpstream) -> None:
        self.upstream = upstream
        self.there = service("product", upstream.url)
        self.says("Cache-Control: max-age=60")

    def says(self, *headers: str, status: str = "200 OK", body: bytes = b"") -> None:
        numbers = itertools.count(1)
        self.upstream.answer = lambda _: [answering(status, str(next(numbers)).encode() + body, *headers)]


def ask(
    found: Counting,
    db: Database,
    who: Identity | None = ALICE,
    *headers: tuple[str, str],
    method: str = "GET",
    path: str = "/products/1",
    query: str = "",
    body: bytes = b"",
    client: Client = CLIENT,
    route: GatewayRoute = ROUTE,
) -> UpstreamAnswer:
    inbound = Inbound(
        method=method, path=path, query=query, headers=headers, body=body, client=client, request_id="r-1"
    )
    return forward(inbound, route, who, upstream=found.there, db=db, now_s=0.0)


def value(headers: Headers, name: str) -> str | None:
    return next((value for each, value in headers if each.lower() == name.lower()), None)


PUBLIC = "Cache-Control: public, max-age=60"
