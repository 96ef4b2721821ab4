"""DynamoDB, which has the sessions and the rate limits: keys of its tables, its errors, and whether it is available."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors

log = logging.getLogger("collections.dynamodb")

# The hash key and, if there is one, the range key; all are strings.
SESSIONS_KEY = ("user_id", "id")
RATE_LIMITS_KEY = ("id",)
TTL_ATTRIBUTE = "expires_at"
# One more than the calls of one request that can fail, so that a single request never makes DynamoDB count as away.
FAILURES_UNTIL_AWAY = 3
PAUSE_S = 5.0
LOG_EVERY_S = 60.0


class Presence:
    """Decides whether DynamoDB is available or away.

    A single failure changes nothing. After FAILURES_UNTIL_AWAY failures in a row, each of a call that began after the
    failure before it, DynamoDB is away: calls are refused without being sent, except one every PAUSE_S. The first
    success ends this. A failure is a 5xx or no response; throttling or a wrong request is a response. `clock` is
    monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._ask_again_at = 0.0
        self._log_again_at = float("-inf")

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Run the block, which calls DynamoDB. Raise Unavailable for botocore's errors, and while DynamoDB is away."""
        failures = self._begin()
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            if _is_answer(error):
                self._failures = 0
            else:
                self._note_failure(failures)
            raise _away() from error
        self._failures = 0

    def _begin(self) -> int:
        """Return how many failures there are in a row now. Raise Unavailable while DynamoDB is away."""
        with self._lock:
            if self._failures >= FAILURES_UNTIL_AWAY:
                now = self._clock()
                if now < self._ask_again_at:
                    raise _away()
                self._ask_again_at = now + PAUSE_S
            return self._failures

    def _note_failure(self, failures: int) -> None:
        """Count the failure of a call that began after so many failures in a row."""
        with self._lock:
            now = self._clock()
            if self._failures == failures:  # otherwise calls that ran at the same time have failed already
                self._failures += 1
                self._ask_again_at = now + PAUSE_S
            silent = now < self._log_again_at
            if not silent:
                self._log_again_at = now + LOG_EVERY_S
        if not silent:
            log.warning("DynamoDB gave no answer: %d calls in a row", failures + 1, exc_info=True)


class Tables:
    """The required tables, with their keys."""

    def __init__(self, client: Any, keys: Mapping[str, Sequence[str]]) -> None:
        self._dynamodb = client
        self._keys = keys

    def require(self, name: str) -> None:
        """Raise Unavailable unless a read of the table works."""
        with translated():
            key = {attribute: {"S": "health"} for attribute in self._keys[name]}
            self._dynamodb.get_item(TableName=name, Key=key)


def definition(name: str, key: Sequence[str]) -> dict[str, Any]:
    """Return the table's definition for CreateTable and CloudFormation."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
        "KeySchema": [
            {"AttributeName": attribute, "KeyType": kind}
            for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    }


def refused_item(error: ClientError) -> Mapping[str, Any] | None:
    """Return the item for which a condition failed, {} if there is no item; None for any other error.

    The write must have set ReturnValuesOnConditionCheckFailure.
    """
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    item: Mapping[str, Any] = error.response.get("Item") or {}
    return item


@contextmanager
def translated() -> Iterator[None]:
    """Run the block. Raise Unavailable for botocore's errors."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _away() from error


def _is_answer(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def _away() -> errors.Unavailable:
    return errors.Unavailable("DynamoDB is not available; try again soon.", code="dynamodb_unavailable")
