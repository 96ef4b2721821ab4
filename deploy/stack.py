"""Makes or updates a base stack by a change set, so that what would change can be shown before."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from deploy import base
from deploy.policies import CONFIG
from deploy.script import Stopped, say

POLL_S = 5.0
# Of the stack in CloudFormation: nothing is being done, and it can be updated.
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


def status_of(cloudformation: Any, name: str) -> str | None:
    """Return the stack's status, None if there is no such stack."""
    try:
        status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return status


def bring_up(cloudformation: Any, stage: str, parameters: Mapping[str, str], *, dry_run: bool) -> None:
    """Make or update the stage's base stack; print what changes. With `dry_run` nothing else is done."""
    name = base.stack_name(stage)
    before = status_of(cloudformation, name)
    if before not in (None, "REVIEW_IN_PROGRESS", *SETTLED):
        raise Stopped(f"the stack {name} is {before}. Wait for it, or delete it if it was never made.")
    is_new = before in (None, "REVIEW_IN_PROGRESS")
    given = list(_given(cloudformation, name, {"Stage": stage, **parameters}, is_new=is_new))
    change_set = _propose(cloudformation, stage, given, is_new=is_new)
    changes = _described(cloudformation, name, change_set) if change_set else None
    for line in changes or ():
        say(f"  {line}")
    if dry_run or changes is None:
        say(f"{name}: {'nothing to change' if changes is None else 'nothing was done'}")
        if change_set:
            cloudformation.delete_change_set(StackName=name, ChangeSetName=change_set)
        if is_new:
            cloudformation.delete_stack(StackName=name)
        return
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set)
    waiter = cloudformation.get_waiter("stack_create_complete" if is_new else "stack_update_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": POLL_S, "MaxAttempts": 720})
    say(f"{name}: {'made' if is_new else 'updated'}")


def _propose(
    cloudformation: Any, stage: str, parameters: list[dict[str, Any]], *, is_new: bool
) -> str | None:
    """Make a change set. Return its name, None if there is nothing to change."""
    change_set = f"deploy-{int(time.time())}"
    try:
        cloudformation.create_change_set(
            StackName=base.stack_name(stage),
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateBody=base.TEMPLATE.read_text(),
            Parameters=parameters,
            Tags=[
                {"Key": "Environment", "Value": stage},
                {"Key": "Service", "Value": str(CONFIG["app_name"])},
            ],
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return None
        raise
    return change_set


def _given(
    cloudformation: Any, name: str, parameters: Mapping[str, str], *, is_new: bool
) -> Iterator[dict[str, Any]]:
    """Yield the template's parameters; those that are not given keep the value that they have."""
    known = base.template()["Parameters"]
    kept = set()
    if not is_new:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        kept = {each["ParameterKey"] for each in stack.get("Parameters", [])} & set(known)
    for key in known:
        if key in parameters:
            yield {"ParameterKey": key, "ParameterValue": parameters[key]}
        elif key in kept:
            yield {"ParameterKey": key, "UsePreviousValue": True}


def _described(cloudformation: Any, name: str, change_set: str) -> list[str] | None:
    """Wait for the change set. Return a line for each resource that changes, None if nothing is to change.

    The list is empty when only an output or a parameter changes.
    """
    while True:
        found = cloudformation.describe_change_set(StackName=name, ChangeSetName=change_set)
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates are" in reason:
                return None
            raise Stopped(f"CloudFormation refuses the change of {name}: {reason}")
        if found["Status"] == "CREATE_COMPLETE":
            changes = [each["ResourceChange"] for each in found.get("Changes", [])]
            return [_line(change) for change in changes]
        time.sleep(POLL_S)


def _line(change: Mapping[str, Any]) -> str:
    replaced = " and REPLACE" if change.get("Replacement") == "True" else ""
    return f"{change['Action']}{replaced} {change['LogicalResourceId']} ({change['ResourceType']})"
