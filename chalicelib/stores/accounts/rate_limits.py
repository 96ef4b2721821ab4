"""Rate limits: one DynamoDB row per key, with the theoretical arrival times (TAT) of all its limits.

    id (S)             "address:192.0.2.1", "user:<id>", "account:<hash>"
    user-burst-20s (N) and so on: each limit's TAT, microseconds since 1970
    taken_by (S)       the request that was counted last
    expires_at (N)     seconds since 1970, when all of them have long passed

A request is one UpdateItem, which DynamoDB judges and writes as one step. It has no max(), so for each limit one of
two forms is sent, by what was last seen of the row:

    idle   attribute_not_exists(TAT) OR TAT <= :now          SET TAT = now + interval
           Nothing is used up: the request starts a new count. Without this condition each request would.
    busy   TAT > :since AND TAT <= :now + tolerance          SET TAT = TAT + interval
           The first clause, because a TAT that lags behind `since` is credit for time long gone: adding to it
           would admit any number. The second is the limit itself.

`since` is when the request came, `now` when this update is sent. The clock is read for each update: when the first one
fails, others may have been counted at a later time, and by the old `now` they would seem to have used the limit up. To
admit by a TAT between the two times is as if the request came at that TAT. A refusal by an old `now` is tried again if
half of the limit is free by then; with less, everybody who was refused would write again for each place that is free.

All limits' forms stand in one update: it counts against all or, when a condition fails, against none. The failure
brings the row with it, and that says what to do: refuse, or send the other form. A TAT never goes down, so for one
`since` each limit can only turn from idle to busy, once, and the update is sent again as often at most.

The same holds for what this process saw before: a TAT is now that or later. A refusal by it is exact and asks
nobody; under attack hardly any request reaches the table. A request that is admitted costs one write, and another
one when somebody else has just used up what this process took for idle.

Of processes whose clocks differ by d, the one that is ahead admits d / interval more, as
if it were that much later; nothing else goes wrong.

botocore sends a write again when its answer got lost. That the row is `taken_by` this very request says that it has
been counted; only when another one was counted in between does it count twice.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from chalicelib.errors import Unavailable
from chalicelib.model.accounts.limits import MICROSECONDS, Admission, Limit, Tats, admitted, find_refusal
from chalicelib.stores.aws.dynamodb import TTL_ATTRIBUTE, Presence, refused_item

REMEMBERED_KEYS = 1_024  # some 0.5 MB
KEPT_S = 25 * 3600  # longer than any window, and an hour for clocks that differ
# DynamoDB takes 1,000 writes a second of one key, more than a limit allows. To take that for its being away would
# open the gates to whoever sends enough.
THROTTLED_US = 1 * MICROSECONDS
_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}


class RateLimits:
    """The counts in one table. `clock_us` gives microseconds since 1970."""

    def __init__(self, client: Any, *, table: str, presence: Presence, clock_us: Callable[[], int]) -> None:
        self._dynamodb = client
        self._table = table
        self._presence = presence
        self._clock_us = clock_us
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Tats] = OrderedDict()

    def take(self, key: str, limits: Sequence[Limit]) -> Admission:
        """Count one request against all of the key's limits, or against none if one refuses. Raise Unavailable."""
        tats, taken_by = self._recall(key), uuid4().hex
        since_us = now_us = self._clock_us()
        for _ in range(len(limits) + 2):  # each turns busy once; and the row may be gone
            refusal = find_refusal(limits, tats, now_us)
            now_us = max(now_us, self._clock_us())
            if refusal and not _is_outdated(refusal, tats, now_us):
                return refusal
            with self._presence.asked():
                taken, tats = self._send(key, limits, tats, taken_by, since_us, now_us)
            self._remember(key, tats)
            if taken:
                return admitted(limits, tats, now_us)
        raise Unavailable("This limit changes too fast; try again soon.", code="rate_limit_contended")

    def _send(
        self, key: str, limits: Sequence[Limit], tats: Tats, taken_by: str, since_us: int, now_us: int
    ) -> tuple[bool, Tats]:
        """Send one update. Return True if the request is counted, and the TATs that the row has now."""
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": key}},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_expressions(limits, tats, taken_by, since_us, now_us),
            )
        except ClientError as error:
            row = refused_item(error)
            if row is not None:
                return row.get("taken_by") == {"S": taken_by}, _tats(row)
            if error.response["Error"]["Code"] not in _THROTTLED:
                raise
            return False, {limit.counter: now_us + limit.tolerance_us + THROTTLED_US for limit in limits}
        return True, {**tats, **_tats(answer["Attributes"])}

    def _recall(self, key: str) -> Tats:
        with self._lock:
            return self._seen.get(key, {})

    def _remember(self, key: str, tats: Tats) -> None:
        with self._lock:
            self._seen[key] = tats
            self._seen.move_to_end(key)
            if len(self._seen) > REMEMBERED_KEYS:
                self._seen.popitem(last=False)


def _is_outdated(refusal: Admission, tats: Tats, now_us: int) -> bool:
    """Return True if half of each limit that refused is free now."""
    refusing = [state.limit for state in refusal.states]
    return all(2 * limit.remaining(tats[limit.counter], now_us) >= limit.quota for limit in refusing)


def _expressions(
    limits: Sequence[Limit], tats: Tats, taken_by: str, since_us: int, now_us: int
) -> dict[str, Any]:
    """Return the update's expressions, with each limit idle or busy by the TATs given; see the top of this file."""
    names = {f"#{n}": limit.counter for n, limit in enumerate(limits)}
    values = {":expires_at": now_us // MICROSECONDS + KEPT_S}
    conditions = ["(attribute_not_exists(taken_by) OR taken_by <> :taken_by)"]
    changes = [f"{TTL_ATTRIBUTE} = :expires_at", "taken_by = :taken_by"]
    for n, limit in enumerate(limits):
        if tats.get(limit.counter, 0) <= since_us:
            conditions.append(f"(attribute_not_exists(#{n}) OR #{n} <= :now)")
            changes.append(f"#{n} = :by{n}")
            values |= {":now": now_us, f":by{n}": now_us + limit.interval_us}
        else:
            conditions.append(f"#{n} > :since AND #{n} <= :at_most{n}")
            changes.append(f"#{n} = #{n} + :by{n}")
            values |= {
                ":since": since_us,
                f":at_most{n}": now_us + limit.tolerance_us,
                f":by{n}": limit.interval_us,
            }
    return {
        "ConditionExpression": " AND ".join(conditions),
        "UpdateExpression": f"SET {', '.join(changes)}",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {name: {"N": str(value)} for name, value in values.items()}
        | {":taken_by": {"S": taken_by}},
    }


def _tats(row: Mapping[str, Any]) -> Tats:
    numbers = {name: int(value["N"]) for name, value in row.items() if "N" in value}
    return {name: number for name, number in numbers.items() if name != TTL_ATTRIBUTE}
