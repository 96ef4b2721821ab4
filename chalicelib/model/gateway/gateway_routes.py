"""The gateway's routes, in one place: what is behind which path, who may ask it, and how.

A route is active when its upstream's variable, such as UPSTREAM_USER_SERVICE_URL, is set. The app's own
routes come first; of these here the longest prefix wins.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from chalicelib.model.gateway.gateway import seen_segments

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALL = frozenset(METHODS) - {"OPTIONS"}


class GatewayRoute(Struct, frozen=True, kw_only=True):
    """`prefix` is the path itself and all that is below it; `strip` takes it off before the request is sent.

    `roles`: any one of them is needed; none: whoever is signed in. `public` asks nobody who they are.
    `timeout_s` bounds the whole of it, from the name's resolution to the body's last byte.
    `cache`: answers of GET are kept where their Cache-Control allows it. `pass_authorization` hands the
    caller's own credentials on. OPTIONS is answered here as a preflight unless `methods` has it.
    """

    upstream: str
    prefix: str
    methods: frozenset[str] = ALL
    public: bool = False
    roles: frozenset[str] = frozenset()
    timeout_s: float = 25.0
    strip: bool = False
    cache: bool = False
    pass_authorization: bool = False


ROUTES = (
    GatewayRoute(upstream="user", prefix="/users"),
    GatewayRoute(upstream="product", prefix="/products", cache=True),
    GatewayRoute(upstream="admin", prefix="/admin", roles=frozenset({"admin"}), strip=True),
)


def variable_of(upstream: str) -> str:
    return f"UPSTREAM_{upstream.upper()}_SERVICE_URL"


def match_route(path: str, routes: Iterable[GatewayRoute]) -> GatewayRoute | None:
    """The route of a path as the caller wrote it: `/%75sers` is not `/users`, nor is `/usersx`.

    None as well if the upstream might take it for another route's: with a route `/users/admin` beside `/users`,
    `/users/%61dmin`, `/users//admin`, `/users/Admin` and `/users/admin;x` are of neither.
    """
    routes = tuple(routes)
    laxly = "/" + "/".join(filter(None, seen_segments(path)))
    found = _longest(path, {route.prefix: route for route in routes})
    seen = _longest(laxly.lower(), {route.prefix.lower(): route for route in routes})
    return found if found is seen else None


def _longest(path: str, routes: Mapping[str, GatewayRoute]) -> GatewayRoute | None:
    below = [prefix for prefix in routes if path == prefix or path.startswith(f"{prefix}/")]
    return routes[max(below, key=len)] if below else None
