"""Health: alive, ready, and what each part says of itself."""

import logging
from collections.abc import Sequence
from typing import Literal

import msgspec

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Response, Routes
from chalicelib.errors import CollectionsError
from chalicelib.ops.operations import health
from chalicelib.settings import VERSION
from chalicelib.settings.models import ModelSettings
from chalicelib.settings.roles import Chosen

log = logging.getLogger("collections")
routes = Routes("health")
# Under the names of the guides, which have other things there: Redis, LangGraph, Pinecone.
PARTS = {
    "database": "PostgreSQL with pgvector",
    "cache": "the table cache_entries in PostgreSQL",
    "workflow": "the tables tasks and outbox in PostgreSQL; messages of SQS wake the work",
    "dynamodb": "sessions and rate limits",
}


class Live(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["alive"] = "alive"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`checks`: "ok", or a short reason, by part; `parts`: what each part really is."""

    status: Literal["healthy", "degraded"]
    environment: str
    version: str
    checks: dict[str, str]
    parts: dict[str, str]


@routes.get(
    "/health",
    returns=Health,
    also={503: Health},
    public=True,
    cost="none",
    always=True,
    summary="How the app is; 200 also when a part is away, 503 when a setting is wrong.",
)
def get_health(request: Request) -> Response:
    found = _health()
    return Response(found, status=503 if "settings" in found.checks else 200)


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
    summary="Whether the settings are right, Postgres and DynamoDB answer, and work goes on.",
)
def get_readiness(request: Request) -> Response:
    """Answer 503 while a part is away; a stage that has chosen to have no chat model is ready, though not healthy."""
    found = _health()
    away = [part for part, answer in found.checks.items() if answer != "ok" and part != "chat"]
    return Response(found, status=503 if away else 200)


def _health() -> Health:
    try:
        settings = wiring.settings()
    except CollectionsError as error:
        log.warning("no settings", exc_info=error)
        return Health(
            status="degraded",
            environment=wiring.stage(),
            version=VERSION,
            checks={"settings": error.code},
            parts={},
        )
    checks = health.check_parts(
        db=wiring.database(),
        tables=wiring.tables(),
        names=(settings.sessions_table, settings.rate_limits_table),
    )
    models = _models(settings.models, keyless_chat=settings.environment == "local")
    checks |= {role: "ok" if said else "not_configured" for role, said in models.items()}
    seers = settings.models.picture_embedder
    pictures = {"pictures": _named([seers] if seers else [])}  # no stage needs them
    healthy = all(answer == "ok" for answer in checks.values())
    return Health(
        status="healthy" if healthy else "degraded",
        environment=settings.environment,
        version=VERSION,
        checks=checks,
        parts={**PARTS, **{role: said or "none" for role, said in (models | pictures).items()}},
    )


def _models(chosen: ModelSettings, *, keyless_chat: bool) -> dict[str, str]:
    """Return the providers and models of each role, in the order they are asked; empty for none.

    Answers made of quotes are what local has for a chat model. On AWS they are what is left without one.
    """
    embedders = [chosen.embedder] if chosen.embedder else []
    quoting = "quotes from the files, without a model" if keyless_chat else ""
    return {
        "analyzer": _named(chosen.analyzers),
        "embedder": _named(embedders),
        "chat": _named(chosen.chats) or quoting,
    }


def _named(models: Sequence[Chosen]) -> str:
    return ", then ".join(f"{each.provider} {each.model}" for each in models)
