"""Makes or updates a stack of CloudFormation by a change set, so that what would change can be shown before."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from deploy.policies import CONFIG
from deploy.script import Stopped, say

POLL_S = 5.0
# Of the stack in CloudFormation: nothing is being done, and it can be updated.
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stack as it should be. `template`: TemplateBody or TemplateURL; `declared`: the names of its parameters."""

    name: str
    stage: str
    template: Mapping[str, str]
    declared: Collection[str]
    parameters: Mapping[str, str]
    capabilities: tuple[str, ...] = ()


def status_of(cloudformation: Any, name: str) -> str | None:
    """Return the stack's status, None if there is no such stack."""
    try:
        status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return status


def outputs(cloudformation: Any, name: str) -> dict[str, str]:
    """Return the outputs of a stack that is there."""
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def bring_up(cloudformation: Any, wanted: Wanted, *, dry_run: bool) -> None:
    """Make or update the stack; print what changes. With `dry_run` nothing else is done."""
    name = wanted.name
    before = status_of(cloudformation, name)
    if before not in (None, "REVIEW_IN_PROGRESS", *SETTLED):
        raise Stopped(f"the stack {name} is {before}. Wait for it, or delete it if it was never made.")
    is_new = before in (None, "REVIEW_IN_PROGRESS")
    change_set = _propose(cloudformation, wanted, is_new=is_new)
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
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": POLL_S, "MaxAttempts": 720})
    except WaiterError as error:
        raise Stopped(
            f"the stack {name} is {status_of(cloudformation, name)}; CloudFormation has taken the change back."
            f" Its events say why: aws cloudformation describe-stack-events --stack-name {name}"
        ) from error
    say(f"{name}: {'made' if is_new else 'updated'}")


def _propose(cloudformation: Any, wanted: Wanted, *, is_new: bool) -> str | None:
    """Make a change set. Return its name, None if there is nothing to change."""
    change_set = f"deploy-{int(time.time())}"
    tags = {"Environment": wanted.stage, "Service": str(CONFIG["app_name"])}
    try:
        cloudformation.create_change_set(
            StackName=wanted.name,
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            **wanted.template,
            Parameters=list(_given(cloudformation, wanted, is_new=is_new)),
            Capabilities=list(wanted.capabilities),
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return None
        raise
    return change_set


def _given(cloudformation: Any, wanted: Wanted, *, is_new: bool) -> Iterator[dict[str, Any]]:
    """Yield the template's parameters; those that are not given keep the value that they have."""
    kept = set()
    if not is_new:
        (stack,) = cloudformation.describe_stacks(StackName=wanted.name)["Stacks"]
        kept = {each["ParameterKey"] for each in stack.get("Parameters", [])}
    for key in wanted.declared:
        if key in wanted.parameters:
            yield {"ParameterKey": key, "ParameterValue": wanted.parameters[key]}
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
