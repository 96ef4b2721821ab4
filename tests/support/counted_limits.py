"""The store of rate limits with a clock that the test moves and a count of its writes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from chalicelib.model.accounts.limits import MICROSECONDS, Admission, Limit
from chalicelib.stores.accounts.rate_limits import RateLimits
from chalicelib.stores.aws.dynamodb import PAUSE_S, Presence
from local.layout import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.emulated import Emulated

TABLE = "rate-limits"
NOW = 1_790_000_000 * MICROSECONDS
BURST = Limit(name="user-burst", quota=5, window_s=1)
SUSTAINED = Limit(name="user-sustained", quota=8, window_s=60)
COSTLY = Limit(name="costly-burst", quota=2, window_s=10)
PAUSE_US = int(PAUSE_S * MICROSECONDS)


class Counted:
    """A store whose clock the test moves, and how many writes it has sent."""

    def __init__(self, dynamodb: Any) -> None:
        self.dynamodb = dynamodb
        self.now_us = NOW
        self.writes = 0
        presence = Presence(lambda: self.now_us / MICROSECONDS)
        self.store = RateLimits(dynamodb, table=TABLE, presence=presence, clock_us=lambda: self.now_us)
        dynamodb.meta.events.register("before-send.dynamodb.UpdateItem", self._count)

    def take(self, key: str, *limits: Limit, now_us: int) -> Admission:
        self.now_us = now_us
        return self.store.take(key, limits)

    def _count(self, **_: Any) -> None:
        self.writes += 1


def impatient(port: int, *, read_s: int = 5, attempts: int = 1) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(connect_timeout=1, read_timeout=read_s, retries={"total_max_attempts": attempts}),
    )


def counted_store(port: int) -> Counted:
    return Counted(impatient(port))


def row(aws: Emulated, key: str) -> dict[str, Any]:
    item = aws.client("dynamodb").get_item(TableName=TABLE, Key={"id": {"S": key}}).get("Item", {})
    return {name: next(iter(value.values())) for name, value in item.items()}


@contextmanager
def answering(store: Counted, status: int, body: dict[str, Any]) -> Iterator[list[int]]:
    """DynamoDB gives this answer; a number is added for each time it is asked."""
    asked: list[int] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked.append(1)
        raw = SimpleNamespace(stream=lambda: iter([json.dumps(body).encode()]))
        return AWSResponse(request.url, status, {}, raw)

    events = store.dynamodb.meta.events
    events.register_first("before-send.dynamodb.UpdateItem", answer)
    yield asked
    events.unregister("before-send.dynamodb.UpdateItem", answer)


@contextmanager
def while_asked(store: Counted, happens: Any) -> Iterator[None]:
    """Something happens once, after the next update left the process and before DynamoDB has it."""
    done: list[bool] = []

    def happen(**_: Any) -> None:
        if not done:
            done.append(True)
            happens()

    events = store.dynamodb.meta.events
    events.register_first("before-send.dynamodb.UpdateItem", happen)
    yield
    events.unregister("before-send.dynamodb.UpdateItem", happen)
    assert done
