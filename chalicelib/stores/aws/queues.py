"""The queues of work: SQS standard queues, one for each worker function.

Messages of one user have the same MessageGroupId, so that SQS delivers a user with few messages before one with many
("Amazon SQS fair queues" in SQS' guide).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from msgspec.structs import asdict

from chalicelib import errors
from chalicelib.model.work.tasks import POLICIES, Queue, Wake
from chalicelib.stores.aws.aws_errors import translated

BATCH = 10  # SendMessageBatch takes at most ten messages
REFUSALS = ("AccessDenied", "AccessDeniedException", "AWS.SimpleQueueService.NonExistentQueue")
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")


class Queues:
    """The queues of one stage, whose names begin with `prefix`. `client` makes the SQS client when it is needed."""

    def __init__(self, client: Callable[[], Any], *, prefix: str) -> None:
        self._sqs = client
        self._prefix = prefix
        self._url = cache(self._find_url)

    def send(
        self, wakes: Sequence[Wake], *, traceparent: str | None = None
    ) -> tuple[list[Wake], errors.CollectionsError | None]:
        """Send a message for each. Return those that their queue did not take, and the first error.

        `traceparent` names the trace that the work will belong to.
        Some of those may have been sent all the same. A queue that is away does not hold up the other queues.
        """
        unsent: list[Wake] = []
        failed: dict[Queue, errors.CollectionsError] = {}
        for queue, batch in _batches(wakes):
            if queue not in failed:
                try:
                    batch = self._send_batch(queue, batch, traceparent)
                except (errors.Unavailable, errors.Misconfigured) as error:
                    failed[queue] = error
                else:
                    if batch:
                        failed[queue] = errors.Unavailable(
                            "The queue took only a part of the messages.", code="queue_unavailable"
                        )
            unsent += batch
        return unsent, next(iter(failed.values()), None)

    def _send_batch(self, queue: Queue, batch: Sequence[Wake], traceparent: str | None) -> list[Wake]:
        """Return those that the queue refused. Raise Unavailable or Misconfigured."""
        trace = {"traceparent": traceparent} if traceparent else {}
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps({"task": asdict(wake.task), **trace}),
                "MessageGroupId": _group(wake.task.user_id),
                "DelaySeconds": wake.delay_s,
            }
            for number, wake in enumerate(batch)
        ]
        with translated("SQS", code="queue", refusals=REFUSALS):
            sent = self._sqs().send_message_batch(QueueUrl=self._url(queue), Entries=entries)
        return [batch[int(refused["Id"])] for refused in sent.get("Failed", ())]

    def count(self, queue: Queue) -> int:
        """Return about how many messages wait in the queue, those that are not due included. Raise Unavailable."""
        with translated("SQS", code="queue", refusals=REFUSALS):
            found = self._sqs().get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=list(COUNTS))
        return sum(int(found["Attributes"][name]) for name in COUNTS)

    def _find_url(self, queue: Queue) -> str:
        return str(self._sqs().get_queue_url(QueueName=f"{self._prefix}-{queue}")["QueueUrl"])


def _batches(wakes: Sequence[Wake]) -> Iterator[tuple[Queue, list[Wake]]]:
    by_queue: dict[Queue, list[Wake]] = {}
    for wake in wakes:
        by_queue.setdefault(POLICIES[wake.task.kind].queue, []).append(wake)
    for queue, waiting in by_queue.items():
        for start in range(0, len(waiting), BATCH):
            yield queue, waiting[start : start + BATCH]


def _group(user_id: str) -> str:
    """Return a group id that is the user's own. A user id may have characters that SQS refuses."""
    return sha256(user_id.encode()).hexdigest()[:32]
