"""The queues of a stage: one for each worker function, and one of dead letters, for the overlay and the emulator."""

from typing import Any

from deploy.policies import CONFIG, CONSUMERS

RETENTION_S = 14 * 24 * 3600
# A message comes again when its worker was cut off or met a bug, else never. The ledger counts the attempts.
MAX_RECEIVE_COUNT = 5


def attributes(queue: str) -> dict[str, Any]:
    """Return the queue's attributes, all but its redrive policy.

    Its visibility timeout is six times the timeout of its consumer, as Lambda's guide recommends.
    """
    timeout_s = CONFIG["lambda_functions"][CONSUMERS[queue]]["lambda_timeout"]
    return {"MessageRetentionPeriod": RETENTION_S, "VisibilityTimeout": 6 * timeout_s}


def redrive_policy(dead_letters_arn: Any) -> dict[str, Any]:
    """Return the redrive policy of a queue of work."""
    return {"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}
