"""The operating function: what an operator does inside the stage's network, by `chalice invoke --name operate`.

Whoever may call lambda:InvokeFunction on it is an operator; the app has no such right itself. Its input is
{"command": ..., "email": ...}; COMMANDS lists the commands.
"""

import logging
from datetime import UTC, datetime
from time import time
from typing import Any

from msgspec import Struct, field

from chalicelib import wiring
from chalicelib.errors import CollectionsError, InvalidInput
from chalicelib.events import contracts
from chalicelib.ops.accounts import operate as accounts
from chalicelib.ops.operations import audit, health, provision
from chalicelib.ops.search import generations
from chalicelib.settings.models import ModelSettings
from chalicelib.wiring import operators

log = logging.getLogger("collections.operate")
COMMANDS = {
    "migrate": "bring the database to this release's schema; the first time, set-app-password as well",
    "set-app-password": "give the app's role a new password, and write DATABASE_URL into Parameter Store",
    "doctor": "say what is wrong with the settings, the database, the tables and the queues",
    "audit": "print the latest commands, from the audit log",
    **accounts.COMMANDS,
    **generations.COMMANDS,
}
# They change nothing, and so are not kept.
READS = ("doctor", "audit", "list-admins", "estimate-reembed", "generations")


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    command: str
    email: str = field(default="")


class Refused(Exception):
    """The command cannot be done; the message is for the operator, and names what is missing or wrong."""


def operate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the command. Return its result; raise Refused with what to do about it."""
    try:
        asked = contracts.parse(event, Command)
        if asked.command not in COMMANDS:
            raise InvalidInput(f"command: must be one of {', '.join(COMMANDS)}")
        if asked.command in accounts.COMMANDS and asked.command != "list-admins" and not asked.email:
            raise InvalidInput(f"email: must be set for {asked.command}")
        result = _run(asked, str(getattr(context, "aws_request_id", "")))
    except CollectionsError as error:
        raise Refused(str(error)) from error
    log.info("operated", extra={"command": asked.command})
    return result


def _run(asked: Command, request_id: str) -> dict[str, Any]:
    owner_url, db = operators.owner_url(), operators.operators_database()
    if asked.command == "doctor":
        return _doctor(owner_url)
    if asked.command == "audit":
        return {"printed": audit.list_commands(db=db)}
    # A new database has no audit log before it is migrated.
    applied = provision.migrate_database(owner_url) if asked.command == "migrate" else []
    if asked.command not in READS:
        audit.record_command(asked.command, email=asked.email, request_id=request_id, db=db)
    if asked.command == "migrate":
        return {"applied": applied}
    if asked.command == "set-app-password":
        operators.store_setting("DATABASE_URL", provision.renew_app_password(owner_url))
        return {"stored": "DATABASE_URL"}
    if asked.command in generations.COMMANDS:
        return {"printed": _generations(asked)}
    text = accounts.run_command(
        asked.command,
        asked.email,
        now_s=int(time()),
        db=db,
        links=operators.operators_links,
    )
    return {"printed": text}


def _generations(asked: Command) -> str:
    return generations.run_command(
        asked.command,
        asked.email,
        wanted=wanted_models(wiring.settings().models),
        today=datetime.now(UTC).date(),
        db=operators.operators_database(),
    )


def wanted_models(models: ModelSettings) -> list[generations.Wanted]:
    """Return the models that are to have sets beside the live ones, by the settings."""
    wanted = []
    if chosen := models.next_embedder:
        dimensions = models.next_dimensions
        wanted.append(generations.Wanted(provider=chosen.provider, model=chosen.model, dimensions=dimensions))
    if chosen := models.picture_embedder:
        dimensions = models.picture_dimensions
        wanted.append(
            generations.Wanted(
                kind="picture", provider=chosen.provider, model=chosen.model, dimensions=dimensions
            )
        )
    return wanted


def _doctor(owner_url: str) -> dict[str, Any]:
    """Return "ok" or what is wrong, by part."""
    checks = provision.check_schema(owner_url)
    is_migrated = checks.get("migrations") == "ok"
    if is_migrated:
        checks |= health.check_work(db=operators.operators_database(), now_s=time)
    try:
        settings = wiring.settings()
    except CollectionsError as error:
        return {**checks, "settings": str(error)}
    names = (settings.sessions_table, settings.rate_limits_table)
    parts = health.check_parts(db=wiring.database(), tables=wiring.tables(), names=names)
    if is_migrated:
        wanted = wanted_models(settings.models)
        parts |= generations.check_pictures(wanted, db=operators.operators_database())
    return {**checks, "settings": "ok", **parts, **health.check_queues(wiring.queues())}
