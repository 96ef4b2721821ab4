"""Calls the functions of a deployed stage: the operating function, and the API's for its health."""

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from deploy.policies import lambda_name, parameter_prefix
from deploy.script import Stopped, parameters, say

HEALTH = {
    "version": "2.0",
    "rawPath": "/health/ready",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/health/ready"}, "requestId": "deploy"},
}


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


def migrate(stage: str) -> None:
    say(f"migrated: {', '.join(operate(stage, 'migrate')['applied']) or 'nothing to do'}")


def migrate_with(stage: str, **code: Any) -> None:
    """Give the operating function the new code and migrate, while the old code still serves.

    `code`: ZipFile, or S3Bucket and S3Key. A stage that has no functions yet is left alone.
    """
    client, name = boto3.client("lambda"), lambda_name("operate", stage)
    try:
        client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return
    client.update_function_code(FunctionName=name, **code)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    migrate(stage)


def prepare_database(ssm: Any, stage: str) -> None:
    migrate(stage)
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
