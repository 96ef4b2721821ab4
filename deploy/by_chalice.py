"""Deploys a stage's app by `chalice deploy`, and sets what Chalice has no setting for."""

import json
import os
import subprocess
from collections.abc import Mapping

import boto3

from deploy import front, functions
from deploy.failure_destinations import set_failure_destinations
from deploy.log_groups import limit_api_logs
from deploy.package import CannotPackage, build, find_python, make_environment
from deploy.policies import CONFIG, DEAD_LETTERS, ROOT, queue_name
from deploy.script import Stopped, say
from deploy.tags import tag_app
from deploy.throttling import limit_rate


def is_deployed(stage: str) -> bool:
    """Return whether this checkout knows of a deployment of the stage by Chalice."""
    return (ROOT / ".chalice" / "deployed" / f"{stage}.json").exists()


def deploy(stage: str, outputs: Mapping[str, str]) -> str:
    """Deploy the code, with the schema before it. Return the API's address."""
    if "ProvisionedConcurrency" in outputs:
        raise Stopped("Chalice cannot provision environments: deploy with --by cloudformation, or set 0.")
    migrate_before_new_code(stage)
    say("deploying the app by chalice deploy")
    chalice(stage, "deploy")
    set_failure_destinations(
        boto3.client("lambda"),
        boto3.client("sqs"),
        app=str(CONFIG["app_name"]),
        stage=stage,
        queue=queue_name(stage, DEAD_LETTERS),
    )
    api_id, url = deployed_api(stage)
    entry = CONFIG["stages"][stage]
    limit_rate(
        boto3.client("apigateway"),
        api_id=api_id,
        stage=entry["api_gateway_stage"],
        traced=bool(entry.get("xray")),
    )
    limit_api_logs(boto3.client("logs"), stage)
    tag_app(boto3.client, stage, api_id=api_id)
    front.connect(outputs, api_id=api_id, api_stage=entry["api_gateway_stage"])
    return url


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


def migrate_before_new_code(stage: str) -> None:
    try:
        package = build(stage, ROOT / "build" / f"package-{stage}")
    except CannotPackage as error:
        raise Stopped(str(error)) from error
    functions.migrate_with(stage, ZipFile=package.read_bytes())


def deployed_api(stage: str) -> tuple[str, str]:
    """Return the id and the address of the deployed API."""
    deployed = json.loads((ROOT / ".chalice" / "deployed" / f"{stage}.json").read_text())
    (api,) = (each for each in deployed["resources"] if "rest_api_url" in each)
    return api["rest_api_id"], api["rest_api_url"].rstrip("/")
