"""The attributes of the base stack's queues, for the emulator, which makes queues without CloudFormation."""

from typing import Any

from deploy import base


def resource_id(queue: str) -> str:
    """Return the name of the queue's resource in the template."""
    return "".join(part.capitalize() for part in queue.split("-")) + "Queue"


def attributes(queue: str) -> dict[str, Any]:
    """Return the queue's attributes, all but its redrive policy."""
    properties = base.template()["Resources"][resource_id(queue)]["Properties"]
    return {name: properties[name] for name in ("MessageRetentionPeriod", "VisibilityTimeout")}


def redrive_policy(queue: str, dead_letters_arn: str) -> dict[str, Any]:
    """Return the redrive policy of a queue of work."""
    policy = base.template()["Resources"][resource_id(queue)]["Properties"]["RedrivePolicy"]
    return {**policy, "deadLetterTargetArn": dead_letters_arn}
