"""Health: alive, ready, and what each part says of itself."""

import logging
from typing import Literal

import msgspec

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Response, Routes
from chalicelib.errors import CollectionsError
from chalicelib.ops.operations import health
from chalicelib.settings import VERSION

log = logging.getLogger("collections")
routes = Routes("health")


class Live(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["alive"] = "alive"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`checks`: "ok", or a short reason, by part."""

    status: Literal["healthy", "degraded"]
    environment: str
    version: str
    checks: dict[str, str]


@routes.get(
    "/health",
    returns=Health,
    public=True,
    cost="none",
    always=True,
    summary="How the app is; 200 also when a part is away.",
)
def get_health(request: Request) -> Health:
    return _health()


@routes.get(
    "/health/live",
    returns=Live,
    public=True,
    cost="none",
    always=True,
    summary="Whether this process answers.",
)
def get_liveness(request: Request) -> Live:
    return Live()


@routes.get(
    "/health/ready",
    returns=Health,
    also={503: Health},
    public=True,
    cost="none",
    always=True,
    summary="Whether the settings are right, and Postgres and DynamoDB answer.",
)
def get_readiness(request: Request) -> Response:
    found = _health()
    return Response(found, status=200 if found.status == "healthy" else 503)


def _health() -> Health:
    try:
        settings = wiring.settings()
    except CollectionsError as error:
        log.warning("no settings", exc_info=error)
        checks = {"settings": error.code}
        return Health(status="degraded", environment=wiring.stage(), version=VERSION, checks=checks)
    checks = health.check_parts(
        db=wiring.database(),
        tables=wiring.tables(),
        names=(settings.sessions_table, settings.rate_limits_table),
    )
    healthy = all(answer == "ok" for answer in checks.values())
    return Health(
        status="healthy" if healthy else "degraded",
        environment=settings.environment,
        version=VERSION,
        checks=checks,
    )
