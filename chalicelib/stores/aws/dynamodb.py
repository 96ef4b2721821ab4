"""DynamoDB: sessions and rate limits live here. How its tables are keyed, its errors as ours, and when it is away."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors

log = logging.getLogger("collections.dynamodb")

# The hash key and, where there is one, the range key; all of them strings.
SESSIONS_KEY = ("user_id", "id")
RATE_LIMITS_KEY = ("id",)
TTL_ATTRIBUTE = "expires_at"
# One more than the calls of one request that can fail in a row: no request alone makes DynamoDB count as away.
FAILURES_UNTIL_AWAY = 3
PAUSE_S = 5.0
LOG_EVERY_S = 60.0


class Presence:
    """Tells calls apart that fail alone from a DynamoDB that is away.

    A call that fails fails alone: the next ones ask as before. After FAILURES_UNTIL_AWAY failures in a row, each of a
    call that began after the failure before it, DynamoDB is away: calls are refused without asking, except one every
    PAUSE_S. The first success ends this. A failure is no answer or a 5xx: whoever is throttled or makes a wrong request
    got an answer. `clock` gives seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._ask_again_at = 0.0
        self._log_again_at = float("-inf")

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Run the block, which calls DynamoDB. Raise Unavailable for what botocore raises, and while it is away."""
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
            if self._failures == failures:  # else others that ran at the same time have failed already
                self._failures += 1
                self._ask_again_at = now + PAUSE_S
            silent = now < self._log_again_at
            if not silent:
                self._log_again_at = now + LOG_EVERY_S
        if not silent:
            log.warning("DynamoDB gave no answer: %d calls in a row", failures + 1, exc_info=True)


class Tables:
    """The tables there must be, by name with their keys."""

    def __init__(self, client: Any, keys: Mapping[str, Sequence[str]]) -> None:
        self._dynamodb = client
        self._keys = keys

    def require(self, name: str) -> None:
        """Raise Unavailable unless a read of the table works."""
        with translated():
            key = {attribute: {"S": "health"} for attribute in self._keys[name]}
            self._dynamodb.get_item(TableName=name, Key=key)


def definition(name: str, key: Sequence[str]) -> dict[str, Any]:
    """Return the table as CreateTable and CloudFormation want it."""
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
    """Return the item that a condition did not hold for, {} when there is none; None when it is another error.

    The write must have asked for it by ReturnValuesOnConditionCheckFailure.
    """
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    item: Mapping[str, Any] = error.response.get("Item") or {}
    return item


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable for what botocore raises."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _away() from error


def _is_answer(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def _away() -> errors.Unavailable:
    return errors.Unavailable("DynamoDB is not available; try again soon.", code="dynamodb_unavailable")
