"""The gateway's routes: the upstream behind each path prefix, who may call it, and how it is called.

A route is active when its upstream's variable, such as UPSTREAM_USER_SERVICE_URL, is set. The app's own
routes come first. Among the gateway's routes the longest prefix wins.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from chalicelib.model.gateway.gateway import seen_segments

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALL = frozenset(METHODS) - {"OPTIONS"}


class GatewayRoute(Struct, frozen=True, kw_only=True):
    """A route of the gateway: requests for `prefix` and for all paths below it go to `upstream`.

    `strip` removes the prefix before the request is sent. A caller needs any one of `roles`; without roles every
    signed-in user may call the route. A `public` route needs no sign-in. `timeout_s` bounds the whole call, from name
    resolution to the last byte of the body. With `cache`, responses to GET are cached if their Cache-Control allows
    it. `pass_authorization` forwards the caller's own credentials. The gateway answers OPTIONS as a preflight unless
    `methods` has it.
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
    """Return the route of a path, or None. The path is compared as the caller wrote it.

    `/%75sers` and `/usersx` do not match `/users`. The result is also None if the upstream might read the path as one
    of another route. With the routes `/users` and `/users/admin`, `/users/%61dmin`, `/users//admin`, `/users/Admin`
    and `/users/admin;x` match no route.
    """
    routes = tuple(routes)
    laxly = "/" + "/".join(filter(None, seen_segments(path)))
    found = _longest(path, {route.prefix: route for route in routes})
    seen = _longest(laxly.lower(), {route.prefix.lower(): route for route in routes})
    return found if found is seen else None


def _longest(path: str, routes: Mapping[str, GatewayRoute]) -> GatewayRoute | None:
    below = [prefix for prefix in routes if path == prefix or path.startswith(f"{prefix}/")]
    return routes[max(below, key=len)] if below else None
