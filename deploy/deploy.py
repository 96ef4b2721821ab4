"""Deploys a stage of Collections: the base stack, the settings, the app, the schema; and checks its health.

deploy/deploy.sh --stage dev                     asks for what is not given; without a terminal it takes the defaults
deploy/deploy.sh --stage dev --dry-run           shows what would change in the base stack
deploy/deploy.sh --stage dev --base-only         makes or changes the base stack alone
deploy/deploy.sh --stage dev --code-only         deploys the app alone

It is safe to run again after any stop: each step finds what is there. The app itself is deployed by
`chalice deploy`. Outside of a terminal, a value that is left out is the default on the first run, and what it was
on the next ones.
"""

import argparse
import json
import os
import secrets
import subprocess
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config

from deploy import base, stack
from deploy.failure_destinations import set_failure_destinations
from deploy.network import CONFIG, write_network
from deploy.package import CannotPackage, build, find_python, make_environment
from deploy.policies import CONFIG as PROJECT
from deploy.policies import (
    DEAD_LETTERS,
    ROOT,
    STAGES,
    lambda_name,
    operators_prefix,
    parameter_prefix,
    queue_name,
)
from deploy.script import Stopped, account, ask, parameters, put_secret, say, told
from deploy.throttling import limit_rate

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
    **{flag: parameter for flag, parameter, _ in QUESTIONS},
}
HEALTH = {
    "version": "2.0",
    "rawPath": "/health/ready",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/health/ready"}, "requestId": "deploy"},
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


def chalice(stage: str, *arguments: str, stdin: str | None = None) -> str:
    """Run a command of Chalice for the stage, with a Python that Lambda accepts. Return what it printed."""
    try:
        python = make_environment(find_python())
    except CannotPackage as error:
        raise Stopped(str(error)) from error
    command = [str(python), "-c", "from chalice.cli import main; main()", *arguments, "--stage", stage]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, input=stdin or "", capture_output=True, text=True, check=False
    )
    # If Chalice finds no wheel of a dependency, it leaves it out, prints a message and exits with 0.
    if ran.returncode or "Could not install dependencies" in ran.stdout + ran.stderr:
        raise Stopped(f"chalice {' '.join(arguments)} failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def invoke(function: str, payload: Mapping[str, Any]) -> Any:
    """Return a function's answer. Raise Stopped with its error."""
    client = boto3.client("lambda", config=Config(read_timeout=900, retries={"total_max_attempts": 1}))
    answer = client.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
    found = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise Stopped(f"{function}: {found.get('errorMessage', found)}")
    return found


def operate(stage: str, command: str) -> Any:
    return invoke(lambda_name("operate", stage), {"command": command})


def migrate_before_new_code(stage: str) -> None:
    """Give the operating function the new code and migrate, while the old code still serves."""
    client, name = boto3.client("lambda"), lambda_name("operate", stage)
    try:
        client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return
    try:
        package = build(stage, ROOT / "build" / f"package-{stage}")
    except CannotPackage as error:
        raise Stopped(str(error)) from error
    client.update_function_code(FunctionName=name, ZipFile=package.read_bytes())
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    say(f"migrated: {', '.join(operate(stage, 'migrate')['applied']) or 'nothing to do'}")


def deployed_api(stage: str) -> tuple[str, str]:
    """Return the id and the address of the deployed API."""
    deployed = json.loads((ROOT / ".chalice" / "deployed" / f"{stage}.json").read_text())
    (api,) = (each for each in deployed["resources"] if "rest_api_url" in each)
    return api["rest_api_id"], api["rest_api_url"].rstrip("/")


def prepare_database(ssm: Any, stage: str) -> None:
    say(f"migrated: {', '.join(operate(stage, 'migrate')['applied']) or 'nothing to do'}")
    if "DATABASE_URL" not in parameters(ssm, parameter_prefix(stage)):
        operate(stage, "set-app-password")
        say("made: DATABASE_URL, with a password for the app's role")


def check_health(stage: str, url: str) -> None:
    """Raise Stopped unless the deployed app is ready; also over HTTPS, where the address is a real one."""
    answer = invoke(lambda_name("api_handler", stage), HEALTH)
    body = json.loads(answer["body"])
    if answer["statusCode"] != 200:
        raise Stopped(f"the app is deployed and not ready: {body}. Its log says more.")
    if not os.environ.get("AWS_ENDPOINT_URL"):
        with urllib.request.urlopen(f"{url}/health/ready", timeout=30) as response:
            body = json.load(response)
    say(f"healthy: {json.dumps(body)}")


def deploy_app(ssm: Any, stage: str) -> str:
    """Deploy the code, with the schema before it. Return the API's address."""
    migrate_before_new_code(stage)
    say("deploying the app by chalice deploy")
    chalice(stage, "deploy")
    set_failure_destinations(
        boto3.client("lambda"),
        boto3.client("sqs"),
        app=str(PROJECT["app_name"]),
        stage=stage,
        queue=queue_name(stage, DEAD_LETTERS),
    )
    api_id, url = deployed_api(stage)
    entry = PROJECT["stages"][stage]
    limit_rate(
        boto3.client("apigateway"),
        api_id=api_id,
        stage=entry["api_gateway_stage"],
        traced=bool(entry.get("xray")),
    )
    if "CONSOLE_URL" not in parameters(ssm, parameter_prefix(stage)):
        put_secret(ssm, parameter_prefix(stage), "CONSOLE_URL", url)
    prepare_database(ssm, stage)
    check_health(stage, url)
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
        stack.bring_up(cloudformation, stage, values, dry_run=arguments.dry_run)
    if arguments.dry_run or arguments.base_only:
        return
    try:
        outputs = base.outputs(cloudformation, stage)
    except base.NotDeployed as error:
        raise Stopped(str(error)) from error
    settle_owner(ssm, stage, outputs)
    write_network(CONFIG, stage, outputs)
    url = deploy_app(ssm, stage)
    say(f"sessions_table_name={outputs['SessionsTableName']}")
    say(f"rate_limits_table_name={outputs['RateLimitsTableName']}")
    say(f"lambda_function_name={lambda_name('api_handler', stage)}")
    say(f"api_gateway_url={url}")


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
    arguments = parser.parse_args()
    with told():
        run(arguments)


if __name__ == "__main__":
    main()
