"""Delivers events to functions as Lambda does: queues them, tries three times, then sends a failure record.

Source: Lambda developer guide, "Asynchronous invocation". Queues are read by local/queue_poller.py.
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.awslambda.utils import get_backend
from moto.sqs.models import sqs_backends

from local.event_files import EventFiles
from local.invocations import FunctionQueue, Invocation, Outcome
from local.layout import ACCOUNT, REGION
from local.queue_poller import QueuePoller

DEFAULT_RETRIES = 2
DEFAULT_MAX_AGE_S = 6 * 3600

StartFunction = Callable[[str, FunctionQueue], None]


class Delivery:
    """Queues invocations per function. The runner of a function takes them and calls `finish` for each.

    `start_function` is called with a function's ARN and queue each time an invocation is queued. `places` returns how
    many invocations of a function run at once, so that no more messages are taken. `retry_delays_s` are the seconds
    before the second and the third try: 60 and 120 on AWS.
    """

    def __init__(
        self,
        *,
        start_function: StartFunction,
        places: Callable[[str], int],
        event_files: EventFiles,
        retry_delays_s: tuple[float, ...] = (1.0, 2.0),
    ) -> None:
        self._places = places
        self._pollers: list[QueuePoller] = []
        self._event_files = event_files
        self._start_function = start_function
        self._retry_delays_s = retry_delays_s
        self._queues: dict[str, FunctionQueue] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def deliver(self, target_arn: str, payload: str) -> None:
        """Hand an event to a rule's target: a function or a queue."""
        service, resource = target_arn.split(":")[2], target_arn.split(":")[5]
        if service == "lambda":
            self.invoke_later(target_arn, payload.encode())
        elif service == "sqs":
            sqs_backends[ACCOUNT][REGION].send_message(queue_name=resource, message_body=payload)
        else:
            raise NotImplementedError(f"the local stack delivers to Lambda and SQS, not to {target_arn}")

    def invoke_later(self, function_arn: str, payload: bytes) -> None:
        """Queue an asynchronous invocation, also on disk. It is retried; at last a failure record is sent."""
        invocation = Invocation(request_id=str(uuid4()), function_arn=function_arn, payload=payload)
        self._event_files.keep(invocation)
        self._put(invocation)

    def resume(self) -> int:
        """Queue the events that an earlier run accepted and did not finish. Return their number.

        Call it when all functions are deployed.
        """
        invocations = self._event_files.load()
        for invocation in invocations:
            self._put(invocation)
        return len(invocations)

    def invoke_and_wait(self, function_arn: str, payload: bytes) -> Outcome:
        """Run the function once and return its outcome, even if it failed."""
        invocation = Invocation(
            request_id=str(uuid4()), function_arn=function_arn, payload=payload, is_async=False
        )
        self._put(invocation)
        return invocation.wait()

    def finish(self, invocation: Invocation, outcome: Outcome) -> None:
        """Record an invocation's outcome. Retry an asynchronous one that failed, or give it up."""
        if not invocation.is_async:
            invocation.answer(outcome)
        elif not outcome.failed:
            self._event_files.forget(invocation)
        elif not self._stopped.is_set():
            self._retry_or_give_up(invocation, outcome)

    def _retry_or_give_up(self, invocation: Invocation, outcome: Outcome) -> None:
        config = self._event_invoke_config(invocation.function_arn)
        too_old = invocation.age_s() > config.get("MaximumEventAgeInSeconds", DEFAULT_MAX_AGE_S)
        if invocation.attempt <= config.get("MaximumRetryAttempts", DEFAULT_RETRIES) and not too_old:
            delay_s = self._retry_delays_s[min(invocation.attempt, len(self._retry_delays_s)) - 1]
            self._event_files.keep(invocation.again())
            self._put(invocation.again(), delay_s=delay_s)
        else:
            condition = "EventAgeExceeded" if too_old else "RetriesExhausted"
            self._give_up(invocation, outcome, config, condition)
            self._event_files.forget(invocation)

    def poll(self, mapping: Any) -> None:
        """Start to pass a queue's messages to a function, as the event source mapping says."""
        queue = sqs_backends[ACCOUNT][REGION].get_queue(mapping.event_source_arn.rpartition(":")[2])
        places = self._places(mapping.function_arn)
        self._pollers.append(QueuePoller(mapping, queue, places=places, invoke=self.invoke_and_wait))

    def stop(self) -> None:
        self._stopped.set()
        for poller in self._pollers:
            poller.stop()
        for queue in self._queues.values():
            queue.close()

    def _put(self, invocation: Invocation, *, delay_s: float = 0) -> None:
        with self._lock:
            queue = self._queues.setdefault(invocation.function_arn, FunctionQueue())
        queue.put(invocation, delay_s=delay_s)
        self._start_function(invocation.function_arn, queue)

    def _event_invoke_config(self, function_arn: str) -> dict[str, Any]:
        configs = get_backend(ACCOUNT, REGION).get_function(function_arn).event_invoke_config
        return configs[-1].config if configs else {}

    def _give_up(
        self, invocation: Invocation, outcome: Outcome, config: dict[str, Any], condition: str
    ) -> None:
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            self.deliver(destination, json.dumps(_failure_record(invocation, outcome, condition)))


def _failure_record(invocation: Invocation, outcome: Outcome, condition: str) -> dict[str, Any]:
    """Return Lambda's record for an on-failure destination."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": f"{invocation.function_arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": invocation.attempt,
        },
        "requestPayload": json.loads(invocation.payload),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(outcome.payload),
    }
