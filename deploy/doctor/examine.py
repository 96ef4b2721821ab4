"""Asks all questions of a stage, one after another."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from deploy.doctor import account, events, functions, inside, settings
from deploy.doctor.findings import Check, Finding, Stage, unknown
from deploy.script import DENIED

CHECKS: tuple[Check, ...] = (
    account.check_clock,
    account.check_quotas,
    events.check_bucket,
    functions.check_functions,
    functions.check_roles,
    events.check_rules,
    events.check_queues,
    events.check_backfill,
    functions.check_failure_destinations,
    settings.check_settings,
    inside.check_inside,
    inside.check_health,
)


def examine(stage: Stage) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it is known.

    A question that these credentials may not ask is "unknown". Raise ClientError or BotoCoreError if the account
    cannot be asked at all.
    """
    stage.client("sts").get_caller_identity()
    for check in CHECKS:
        try:
            yield from check(stage)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in DENIED:
                raise
            name = check.__name__.removeprefix("check_").replace("_", " ")
            yield unknown(
                name,
                f"these credentials may not ask: {error}",
                "docs/deploying.md lists what a deployer needs",
            )
