"""A table of the gateway's routes, and requests to the upstream behind it."""

from typing import Any

from chalicelib.model.gateway.gateway_routes import ALL, GatewayRoute
from tests.support.upstreams import RawUpstream, answering, gateway_app, rest_event, service

OPEN = GatewayRoute(upstream="user", prefix="/open", public=True)
SIGNED_IN = GatewayRoute(upstream="user", prefix="/users")
ADMINS = GatewayRoute(upstream="admin", prefix="/admin", roles=frozenset({"admin"}), strip=True)
HANDED_ON = GatewayRoute(upstream="user", prefix="/own-login", pass_authorization=True)
OWN_CORS = GatewayRoute(upstream="user", prefix="/own-cors", public=True, methods=ALL | {"OPTIONS"})
READ_ONLY = GatewayRoute(
    upstream="user", prefix="/users/public", public=True, methods=frozenset({"GET", "HEAD"})
)
TABLE = (OPEN, SIGNED_IN, ADMINS, HANDED_ON, OWN_CORS, READ_ONLY)


def ask_upstream(there: RawUpstream, method: str, path: str, **more: Any) -> dict[str, Any]:
    app = gateway_app(service("user", there.url), service("admin", f"{there.url}/base"), routes=TABLE)
    answer: dict[str, Any] = app(rest_event(method, path, **more), None)
    return answer


def header(there: RawUpstream, name: str) -> str | None:
    """Return a header of the last request that arrived."""
    lines = there.requests[-1].partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    found = dict(line.split(": ", 1) for line in lines)
    return found.get(name)


PUBLIC = GatewayRoute(upstream="user", prefix="/users", public=True, methods=ALL | {"OPTIONS"})
AWAY = answering("503 Service Unavailable")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask_app(app: Any, method: str = "GET", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app(rest_event(method, "/users", **more), None)
    return answer
