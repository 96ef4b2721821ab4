"""Hands the messages of a queue to its function as Lambda's event source mappings do, fair among message groups.

Sources: Lambda's guide, "Using Lambda with Amazon SQS"; SQS' guide, "Amazon SQS fair queues". The emulator keeps the
messages; here they are taken, deleted when the function succeeds, and moved when it has failed too often.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from local.invocations import Outcome
from local.layout import REGION
from local.priority import BEHIND

LOOK_AGAIN_S = 0.5  # for messages that become visible by the passing of time
BUSY_S = 10.0  # a group's next message is behind others for so long

Invoke = Callable[[str, bytes], Outcome]


class QueuePoller:
    """Takes messages of one queue for one function, at most `places` batches at once."""

    def __init__(self, mapping: Any, queue: Any, *, places: int, invoke: Invoke) -> None:
        self._mapping = mapping
        self._queue = queue
        self._invoke = invoke
        self._in_flight: Counter[str] = Counter()
        self._busy_until: dict[str, float] = {}
        self._taking = threading.Lock()
        self._stopped = False
        for number in range(places):
            name = f"poll-{mapping.event_source_arn}-{number}"
            threading.Thread(target=self._run, daemon=True, name=name).start()

    def stop(self) -> None:
        self._stopped = True

    def _run(self) -> None:
        while not self._stopped:
            batch = self._take() if self._mapping.enabled else []
            if not batch:
                self._queue.wait_for_messages(LOOK_AGAIN_S)
                continue
            event: dict[str, Any] = {"Records": [_record(message, self._mapping) for message in batch]}
            if self._are_busy({_group(message) for message in batch}):
                event[BEHIND] = True
            try:
                outcome = self._invoke(self._mapping.function_arn, json.dumps(event).encode())
                self._settle(batch, outcome)
            finally:
                with self._taking:
                    self._in_flight.subtract(_group(message) for message in batch)

    def _take(self) -> list[Any]:
        """Take visible messages: first those of the groups that have the fewest in flight, then the oldest."""
        batch: list[Any] = []
        with self._taking:
            self._move_dead_letters()
            while len(batch) < self._mapping.batch_size and (waiting := self._queue.messages):
                message = min(waiting, key=lambda each: self._in_flight[_group(each)])
                self._queue.pending_messages.add(message)
                message.mark_received(visibility_timeout=self._queue.visibility_timeout)
                self._in_flight[_group(message)] += 1
                batch.append(message)
        return batch

    def _are_busy(self, groups: set[str]) -> bool:
        """Note that these groups have a message now; return whether each had another one shortly before."""
        now = time.monotonic()
        with self._taking:
            self._busy_until = {group: until for group, until in self._busy_until.items() if until > now}
            are_busy = groups <= self._busy_until.keys()
            self._busy_until |= dict.fromkeys(groups, now + BUSY_S)
        return are_busy

    def _move_dead_letters(self) -> None:
        policy = self._queue.redrive_policy
        if not policy or self._queue.dead_letter_queue is None:
            return
        for message in self._queue.messages:
            if message.approximate_receive_count >= policy["maxReceiveCount"]:
                self._queue.delete_message(message.receipt_handle)
                self._queue.dead_letter_queue.add_message(message)

    def _settle(self, batch: list[Any], outcome: Outcome) -> None:
        """Delete what the function has done. The rest becomes visible again after the visibility timeout."""
        kept = _failed_message_ids(outcome, self._mapping)
        with self._taking:
            for message in batch:
                if message.id not in kept and not outcome.failed:
                    self._queue.delete_message(message.receipt_handle)


def _group(message: Any) -> str:
    return message.group_id or ""


def _failed_message_ids(outcome: Outcome, mapping: Any) -> set[str]:
    if outcome.failed or "ReportBatchItemFailures" not in (mapping.function_response_types or []):
        return set()
    answer = json.loads(outcome.payload) or {}
    return {failure["itemIdentifier"] for failure in answer.get("batchItemFailures", [])}


def _record(message: Any, mapping: Any) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": REGION,
    }
