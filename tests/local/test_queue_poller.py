"""The local stack hands a queue's messages to a function: fairly among groups, again after a failure, then no more."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.sqs.models import sqs_backends

from local.invocations import Outcome
from local.layout import ACCOUNT, REGION
from local.priority import BEHIND
from local.queue_poller import QueuePoller
from tests.support.emulated import Emulated, emulated_aws

DONE = Outcome(payload=b"null", failed=False)
FAILED = Outcome.failure("Error", "no")


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as emulated:
        yield emulated


class Consumer:
    """Notes the bodies that it is handed, and answers each when the test lets it."""

    def __init__(self, aws: Emulated, queue: str, *, places: int) -> None:
        self._url = aws.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        self._sqs = aws.client("sqs")
        self.queue: Any = sqs_backends[ACCOUNT][REGION].get_queue(queue)
        self.handed: list[str] = []
        self.behind: list[str] = []
        self.outcome = DONE
        self._go_on = threading.Semaphore(0)
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
        mapping = SimpleNamespace(
            event_source_arn=arn, function_arn="f", batch_size=1, enabled=True, function_response_types=None
        )
        self._start = lambda: QueuePoller(mapping, self.queue, places=places, invoke=self._invoke)
        self._places = places

    def send(self, group: str, *bodies: str, delay_s: int = 0) -> None:
        for body in bodies:
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=body, MessageGroupId=group, DelaySeconds=delay_s
            )

    def start(self) -> QueuePoller:
        return self._start()

    def let(self, count: int) -> None:
        for _ in range(count):
            self._go_on.release()

    def wait_for(self, count: int) -> list[str]:
        give_up_at = time.monotonic() + 60
        while len(self.handed) < count and time.monotonic() < give_up_at:
            time.sleep(0.01)
        return list(self.handed)

    def _invoke(self, function: str, payload: bytes) -> Outcome:
        event = json.loads(payload)
        self.handed.append(event["Records"][0]["body"])
        if BEHIND in event:
            self.behind.append(self.handed[-1])
        self._go_on.acquire()
        return self.outcome


def test_a_group_with_few_messages_does_not_wait_behind_one_with_many(aws: Emulated) -> None:
    consumer = Consumer(aws, "collections-local-process", places=2)
    consumer.send("alice", *[f"a{n}" for n in range(30)])
    poller = consumer.start()
    assert sorted(consumer.wait_for(2)) == ["a0", "a1"]
    consumer.send("bob", "b0")
    consumer.let(1)
    assert consumer.wait_for(3)[2] == "b0"
    consumer.let(100)
    # Two threads take them, so neighbours may change places.
    assert sorted(consumer.wait_for(31)[3:]) == sorted(f"a{n}" for n in range(2, 30))
    poller.stop()


def test_a_group_that_had_a_message_shortly_before_is_marked_as_behind_others(aws: Emulated) -> None:
    consumer = Consumer(aws, "collections-local-process", places=1)
    consumer.let(100)
    consumer.send("alice", "a0", "a1", "a2")
    consumer.send("bob", "b0")
    poller = consumer.start()
    consumer.wait_for(4)
    assert consumer.behind == ["a1", "a2"]
    poller.stop()


def test_no_more_messages_are_taken_than_there_are_places(aws: Emulated) -> None:
    consumer = Consumer(aws, "collections-local-process", places=2)
    consumer.send("alice", *[f"a{n}" for n in range(5)])
    poller = consumer.start()
    consumer.wait_for(2)
    time.sleep(0.2)
    assert len(consumer.handed) == 2
    assert len(consumer.queue.messages) == 3
    consumer.let(100)
    consumer.wait_for(5)
    poller.stop()


def test_a_message_that_failed_comes_again_when_it_is_visible_and_is_given_up_at_last(aws: Emulated) -> None:
    consumer = Consumer(aws, "collections-local-process", places=1)
    consumer.outcome = FAILED
    consumer.let(100)
    consumer.send("alice", "bad")
    poller = consumer.start()
    most = consumer.queue.redrive_policy["maxReceiveCount"]
    for received in range(1, most + 1):
        assert consumer.wait_for(received) == ["bad"] * received
        (message,) = consumer.queue._messages
        message.visible_at = 0
    dead = sqs_backends[ACCOUNT][REGION].get_queue("collections-local-dead-letters")
    give_up_at = time.monotonic() + 60
    while not dead._messages and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert [message.body for message in dead._messages] == ["bad"]
    assert (consumer.queue._messages, len(consumer.handed)) == ([], most)
    poller.stop()


def test_a_delayed_message_waits(aws: Emulated) -> None:
    consumer = Consumer(aws, "collections-local-process", places=1)
    consumer.let(100)
    consumer.send("alice", "later", delay_s=900)
    poller = consumer.start()
    consumer.send("alice", "now")
    assert consumer.wait_for(1) == ["now"]
    (message,) = consumer.queue._messages
    message.delayed_until = 0
    assert consumer.wait_for(2) == ["now", "later"]
    poller.stop()
