"""A stage's settings in Parameter Store, from which its functions read them: what may stand there, and the writing.

deploy/update-parameters.sh and `./collections params` are both made of this.
"""

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.settings import InvalidSetting, Settings, models, tracing
from deploy.policies import REFERENCE, operators_prefix, parameter_prefix
from deploy.script import Stopped, parameters, put_secret, say

# The owner's: only the operating function reads them.
OWNERS = ("MIGRATION_DATABASE_URL", "MASTER_PASSWORD")
KNOWN = {
    *(name.upper() for name in Settings.__struct_fields__),
    *("RATE_LIMITS", *models.VARIABLES, *tracing.VARIABLES, *OWNERS),
} - {
    "ENVIRONMENT",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "DECODER_MEMORY_BYTES",
    "MAIL_FOLDER",
    "MAIL_FROM",
    "BEDROCK_URL",
    "MODELS",
    "TRACING",
    "UPSTREAM_URLS",
    "RATES",
}
UPSTREAM = re.compile(r"UPSTREAM_[A-Z][A-Z0-9_]*_SERVICE_URL\Z")
# Stand for what is not set yet, so that one value can be checked alone.
PLACEHOLDERS = {"DATABASE_URL": "postgresql://x", "IMAGES_BUCKET": "x", "SESSION_SECRET": "x" * 32}


MAX_BYTES = 4096  # of a standard parameter


def check(stage: str, values: Mapping[str, str], existing: Mapping[str, str]) -> None:
    """Raise Stopped for names that are not known, or a value that the app or Parameter Store would refuse."""
    if "MAIL_FROM" in values:
        raise Stopped("MAIL_FROM stands in .chalice/config.json: the function's right to send names it.")
    if unknown := [name for name in values if name not in KNOWN and not UPSTREAM.match(name)]:
        raise Stopped(
            f"{', '.join(unknown)} {'is no setting' if len(unknown) == 1 else 'are no settings'} of this app."
            f" Known are {', '.join(sorted(KNOWN))}."
        )
    for name, value in values.items():
        if not value:
            raise Stopped(f"{name}: is empty, which Parameter Store does not take. Leave it out.")
        if len(value.encode()) > MAX_BYTES:
            raise Stopped(
                f"{name}: has more than {MAX_BYTES} bytes. Keep it in Secrets Manager, and set"
                f" {REFERENCE}{parameter_prefix(stage)}/<name>."
            )
    together = {**PLACEHOLDERS, **existing, **values, "ENVIRONMENT": stage}
    plain = {name: value for name, value in together.items() if not value.startswith(REFERENCE)}
    try:
        Settings.from_env({**PLACEHOLDERS, **plain})
    except InvalidSetting as error:
        raise Stopped(str(error)) from error


def push(ssm: Any, stage: str, values: Mapping[str, str], *, dry_run: bool = False) -> None:
    """Check the values, write those that are new or others as SecureStrings, and print their names."""
    existing, owners = parameters(ssm, parameter_prefix(stage)), parameters(ssm, operators_prefix(stage))
    check(stage, values, existing)
    for name, value in values.items():
        place, before = (
            (operators_prefix(stage), owners) if name in OWNERS else (parameter_prefix(stage), existing)
        )
        if before.get(name) == value:
            say(f"unchanged: {place}/{name}")
            continue
        if not dry_run:
            put_secret(ssm, place, name, value)
        say(f"{'would write' if dry_run else 'written'}: {place}/{name}")


def list_names(ssm: Any, stage: str) -> list[str]:
    """Return the names that are set, the owner's among them."""
    return sorted([*parameters(ssm, parameter_prefix(stage)), *parameters(ssm, operators_prefix(stage))])
