"""Deploys a stage of Collections: the base stack, the settings, the app, the schema; and checks its health.

deploy/deploy.sh --stage dev                     asks for what is not given; without a terminal it takes the defaults
deploy/deploy.sh --stage dev --dry-run           shows what would change in the base stack
deploy/deploy.sh --stage dev --base-only         makes or changes the base stack alone
deploy/deploy.sh --stage dev --code-only         deploys the app alone
deploy/deploy.sh --stage dev --by cloudformation --code-bucket mine     for CI: nothing is kept on this machine

It is safe to run again after any stop: each step finds what is there. The app itself is deployed by
`chalice deploy`, or by CloudFormation. Outside of a terminal, a value that is left out is the default on the first
run, and what it was on the next ones.
"""

import argparse
import os
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import boto3

from deploy import base, by_chalice, by_cloudformation, front, functions, stack
from deploy.network import CONFIG, write_network
from deploy.policies import STAGES, lambda_name, operators_prefix, parameter_prefix
from deploy.script import Stopped, account, ask, parameters, put_secret, say, told

UNRESERVED = 100  # Lambda's own limit: an account keeps as many for functions that reserve none
# Flag, parameter of the base stack, question. Only what guides ask for is asked for.
QUESTIONS = (
    ("vpc_id", "VpcId", "VPC ID, empty for no network"),
    ("subnet_ids", "SubnetIds", "IDs of its private subnets, with commas"),
    ("database_security_group_id", "DatabaseSecurityGroupId", "ID of the database's security group"),
)
FLAGS = {
    "network": "Network",
    "egress": "Egress",
    "database": "Database",
    "instance_class": "InstanceClass",
    "monthly_budget_usd": "MonthlyBudgetUsd",
    "enable_pitr": "EnablePitr",
    "enable_alarms": "EnableAlarms",
    "alarm_email": "AlarmEmail",
    "deletion_protection": "DeletionProtection",
    "domain_name": "DomainName",
    "hosted_zone_id": "HostedZoneId",
    "certificate_arn": "CertificateArn",
    "enable_waf": "EnableWaf",
    "backfill": "Backfill",
    "backfill_bucket": "BackfillBucket",
    "reserved_concurrency": "ReservedConcurrency",
    "provisioned_concurrency": "ProvisionedConcurrency",
    "cors_origins": "CorsOrigins",
    **{flag: parameter for flag, parameter, _ in QUESTIONS},
}


def chosen(arguments: argparse.Namespace, *, is_new: bool) -> dict[str, str]:
    """Return the base stack's parameters: from the flags, and on the first run from the answers."""
    values = {
        parameter: value
        for flag, parameter in FLAGS.items()
        if (value := getattr(arguments, flag, None)) is not None
    }
    if is_new and "Network" not in values:
        for _, parameter, question in QUESTIONS:
            if parameter not in values and (parameter == "VpcId" or values.get("VpcId")):
                values[parameter] = ask(question)
        if values.get("VpcId"):
            values["Network"] = "existing"
    return {name: value for name, value in values.items() if value}


def make_secrets(ssm: Any, stage: str, database: str) -> None:
    """Make the secrets that nobody has to choose, where there are none yet."""
    if "SESSION_SECRET" not in parameters(ssm, parameter_prefix(stage)):
        put_secret(ssm, parameter_prefix(stage), "SESSION_SECRET", secrets.token_urlsafe(48))
        say("made: SESSION_SECRET")
    owners = parameters(ssm, operators_prefix(stage))
    if database != "existing" and "MASTER_PASSWORD" not in owners:
        put_secret(ssm, operators_prefix(stage), "MASTER_PASSWORD", secrets.token_urlsafe(24))
        say("made: MASTER_PASSWORD")


def settle_owner(ssm: Any, stage: str, outputs: Mapping[str, str]) -> None:
    """Write the owner's URL of a database that the base stack has made. Raise Stopped if there is none at all."""
    owners = parameters(ssm, operators_prefix(stage))
    if "DatabaseHost" in outputs:
        login = f"collections_owner:{quote(owners['MASTER_PASSWORD'])}"
        url = f"postgresql://{login}@{outputs['DatabaseHost']}:5432/collections?sslmode=require"
        if owners.get("MIGRATION_DATABASE_URL") != url:
            put_secret(ssm, operators_prefix(stage), "MIGRATION_DATABASE_URL", url)
    elif "MIGRATION_DATABASE_URL" not in owners:
        raise Stopped(
            "the stage has no database. Run deploy/update-parameters.sh and give MIGRATION_DATABASE_URL, or run"
            " this with --network new --database rds."
        )


def way_of(cloudformation: Any, arguments: argparse.Namespace) -> str:
    """Return how the app is deployed: as asked, else as it is already. Raise Stopped for both, or without a bucket."""
    stage, asked = arguments.stage, arguments.by
    if by_cloudformation.is_deployed(cloudformation, stage):
        if asked == "chalice":
            raise Stopped(
                f"{stage} is deployed by CloudFormation, and the names would collide. Delete the stack"
                f" {by_cloudformation.stack_name(stage)} first, or leave --by out."
            )
        asked = "cloudformation"
    elif asked == "cloudformation" and by_chalice.is_deployed(stage):
        raise Stopped(
            f"{stage} is deployed by chalice deploy, and the names would collide. Run chalice delete --stage {stage}"
            " first, or leave --by out."
        )
    if asked == "cloudformation" and not arguments.code_bucket:
        raise Stopped("CloudFormation takes code from a bucket: name one with --code-bucket or CODE_BUCKET.")
    return asked or "chalice"


def deploy_app(
    cloudformation: Any, way: str, arguments: argparse.Namespace, outputs: Mapping[str, str]
) -> str:
    """Deploy the code, with the schema before it, and see that it is healthy. Return the app's address."""
    stage, ssm = arguments.stage, boto3.client("ssm")
    if way == "chalice":
        url = by_chalice.deploy(stage, outputs)
    else:
        url = by_cloudformation.deploy(cloudformation, stage, outputs, bucket=arguments.code_bucket)
    if "CONSOLE_URL" not in parameters(ssm, parameter_prefix(stage)):
        put_secret(ssm, parameter_prefix(stage), "CONSOLE_URL", front.address(outputs, url))
    functions.prepare_database(ssm, stage)
    functions.check_health(stage, url)
    return url


def run(arguments: argparse.Namespace) -> None:
    stage: str = arguments.stage
    say(f"account {account()}, region {boto3.Session().region_name}, stage {stage}")
    cloudformation, ssm = boto3.client("cloudformation"), boto3.client("ssm")
    if not arguments.code_only:
        is_new = stack.status_of(cloudformation, base.stack_name(stage)) is None
        values = chosen(arguments, is_new=is_new)
        if not arguments.dry_run:
            make_secrets(ssm, stage, values.get("Database", "existing"))
        stack.bring_up(cloudformation, base.wanted(stage, values), dry_run=arguments.dry_run)
    if arguments.dry_run or arguments.base_only:
        return
    try:
        outputs = base.outputs(cloudformation, stage)
    except base.NotDeployed as error:
        raise Stopped(str(error)) from error
    settle_owner(ssm, stage, outputs)
    require_concurrency(outputs)
    way = way_of(cloudformation, arguments)
    write_network(CONFIG, stage, outputs)
    url = deploy_app(cloudformation, way, arguments, outputs)
    for name, value in named_outputs(stage, outputs, url).items():
        say(f"{name}={value}")


def require_concurrency(outputs: Mapping[str, str]) -> None:
    """Raise Stopped when the account has not as much concurrency as the stage is to reserve."""
    if asked := int(outputs.get("ReservedConcurrency", 0)):
        limit = boto3.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        if asked > limit - UNRESERVED:
            raise Stopped(
                f"ReservedConcurrency is {asked}, and the account's quota is {limit}, of which Lambda keeps"
                f" {UNRESERVED} for all other functions. Ask AWS for more (Service Quotas, Lambda, Concurrent"
                " executions), or set --reserved-concurrency 0."
            )


def named_outputs(stage: str, outputs: Mapping[str, str], url: str) -> dict[str, str]:
    """Return what guides call these things; CloudFormation takes no name with an underscore."""
    found = {
        "ApiEndpoint": url,
        "StageUrl": url,
        "SecurityGroupId": outputs.get("SecurityGroupId"),
        "sessions_table_name": outputs["SessionsTableName"],
        "rate_limits_table_name": outputs["RateLimitsTableName"],
        "lambda_function_name": lambda_name("api_handler", stage),
        "certificate_arn": outputs.get("CertificateArn"),
        "api_gateway_url": front.address(outputs, url),
    }
    return {name: value for name, value in found.items() if value}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="deploy/deploy.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], default="dev")
    declared = base.template()["Parameters"]
    for flag, parameter in FLAGS.items():
        described = declared[parameter]
        parser.add_argument(
            f"--{flag.replace('_', '-')}",
            choices=described.get("AllowedValues"),
            help=described["Description"],
        )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and do nothing")
    parser.add_argument("--base-only", action="store_true", help="leave the app as it is")
    parser.add_argument("--code-only", action="store_true", help="leave the base stack as it is")
    parser.add_argument(
        "--by",
        choices=("chalice", "cloudformation"),
        help="how the app is deployed; by default as it is already, and a new one by chalice",
    )
    parser.add_argument(
        "--code-bucket",
        default=os.environ.get("CODE_BUCKET"),
        help="from which CloudFormation takes the code; by default CODE_BUCKET",
    )
    arguments = parser.parse_args()
    with told():
        run(arguments)


if __name__ == "__main__":
    main()
