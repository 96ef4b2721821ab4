"""The functions: there, as configured, with the rights they need, and with somewhere for what they cannot handle."""

import json
from typing import Any
from urllib.parse import unquote

from deploy.doctor.findings import Finding, Findings, Stage, ok, wrong
from deploy.policies import CONFIG, CONSUMERS, DEAD_LETTERS, environment, functions_of, policy, queue_name

MISSING = "ResourceNotFoundException"


def check_functions(stage: Stage) -> Findings:
    """Compare each function's state, size and variables with .chalice/config.json."""
    return [_check_function(stage, name) for name in functions_of(stage.name)]


def _check_function(stage: Stage, name: str) -> Finding:
    check, found = f"function {stage.function(name)}", configuration(stage, name)
    if found is None:
        return wrong(check, "it is not there", stage.deploy)
    if found.get("State", "Active") != "Active" or found.get("LastUpdateStatus") == "Failed":
        reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or "AWS gives no reason"
        return wrong(check, f"it is {found.get('State')}: {reason}", stage.deploy)
    sizes = CONFIG["lambda_functions"][name]
    for key, setting in (("Timeout", "lambda_timeout"), ("MemorySize", "lambda_memory_size")):
        if found[key] != sizes[setting]:
            return wrong(check, f"its {key} is {found[key]}, configured is {sizes[setting]}", stage.deploy)
    variables = found.get("Environment", {}).get("Variables", {})
    for variable in () if stage.is_local else environment(stage.name):
        if variables.get(variable) != environment(stage.name)[variable]:
            return wrong(check, f"its variable {variable} is not the configured one", stage.deploy)
    return ok(check)


def check_roles(stage: Stage) -> Findings:
    """Compare the rights of each function's role with deploy/policies.py."""
    return [found for name in functions_of(stage.name) if (found := _check_role(stage, name))]


def _check_role(stage: Stage, name: str) -> Finding | None:
    """Return None for a function that is not there: check_functions says so."""
    found = configuration(stage, name)
    if found is None:
        return None
    role, check = found["Role"].rpartition("/")[2], f"rights of {stage.function(name)}"
    iam = stage.client("iam")
    try:
        granted = [
            iam.get_role_policy(RoleName=role, PolicyName=each)["PolicyDocument"]
            for each in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
    except iam.exceptions.NoSuchEntityException:
        return wrong(check, f"its role {role} is not there", stage.deploy)
    held = {_key(statement) for document in granted for statement in _statements(document)}
    lacking = [each["Sid"] for each in policy(name, stage.name)["Statement"] if _key(each) not in held]
    if lacking:
        return wrong(check, f"its role {role} lacks the statements {', '.join(lacking)}", stage.deploy)
    return ok(check)


def check_failure_destinations(stage: Stage) -> Findings:
    """Look whether an event that a function cannot handle goes to the dead letters."""
    return [
        found
        for name in functions_of(stage.name)
        if name not in (*CONSUMERS.values(), "api_handler")
        if (found := _check_destination(stage, name))
    ]


def _check_destination(stage: Stage, name: str) -> Finding | None:
    client, function = stage.client("lambda"), stage.function(name)
    check, queue = f"failures of {function}", queue_name(stage.name, DEAD_LETTERS)
    try:
        config = client.get_function_event_invoke_config(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        if configuration(stage, name) is None:
            return None
        config = {}
    target = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    if not target.endswith(f":{queue}"):
        mend = (
            stage.deploy
            if stage.is_local
            else f"deploy/run.sh deploy.failure_destinations --stage {stage.name}"
        )
        return wrong(check, f"events that it cannot handle do not go to {queue}", mend)
    return ok(check)


def configuration(stage: Stage, name: str) -> dict[str, Any] | None:
    """Return the function's configuration, None if it is not there."""
    client = stage.client("lambda")
    try:
        found: dict[str, Any] = client.get_function_configuration(FunctionName=stage.function(name))
    except client.exceptions.ResourceNotFoundException:
        return None
    return found


def _statements(document: Any) -> list[dict[str, Any]]:
    parsed = json.loads(unquote(document)) if isinstance(document, str) else document
    return list(parsed["Statement"])


def _key(statement: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in statement.items() if name != "Sid"}, sort_keys=True)
