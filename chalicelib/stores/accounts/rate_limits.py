"""Rate limits: one DynamoDB row per key, with the theoretical arrival times (TAT) of all its limits.

    id (S)             "address:192.0.2.1", "user:<id>", "account:<hash>"
    user-burst-20s (N) and so on: each limit's TAT, microseconds since 1970
    taken_by (S)       the request that was counted last
    expires_at (N)     seconds since 1970, long after all of the TATs

A request is one UpdateItem, whose condition and write are one step. DynamoDB has no max(), so for each limit one of
two forms is sent, depending on what was last seen of the row:

    idle   attribute_not_exists(TAT) OR TAT <= :now          SET TAT = now + interval
           The limit is unused, and the request starts a new count. Without the condition each request would.
    busy   TAT > :since AND TAT <= :now + tolerance          SET TAT = TAT + interval
           The first clause is needed because a TAT before `since` gives credit for past time: adding to it would
           admit any number. The second clause is the limit itself.

`since` is the time at which the request came, `now` the time at which this update is sent. The clock is read for each
update: when the first one fails, others may have been counted at a later time, and with the old `now` they would seem
to have used the limit up. Admitting by a TAT between the two times has the same result as a request that comes at that
TAT. A refusal with an old `now` is tried again if half of the limit is free by then. With less, every refused request
would write again for each free place.

One update has the forms of all limits: it counts against all of them or, when a condition fails, against none. A
failure returns the row, which decides what to do: refuse, or send the other form. A TAT never decreases, so for one
`since` each limit can turn from idle to busy only once. This bounds the number of updates.

For the same reason this process can use the TATs that it saw before: the row's are the same or later. A refusal by
them is exact and needs no call, so under attack hardly any request reaches the table. An admitted request costs one
write, and a second one if another process has just used a limit that this one took for idle.

If the clocks of two processes differ by d, the one that is ahead admits d / interval requests more. Nothing else
goes wrong.

botocore repeats a write whose response was lost. If the row is `taken_by` this request, it has been counted. It counts
twice only if another request was counted in between.
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

REMEMBERED_KEYS = 1_024  # about 0.5 MB
KEPT_S = 25 * 3600  # longer than any window, and an hour for clocks that differ
# DynamoDB throttles beyond 1,000 writes a second to one key, which is more than a limit allows. If this counted as
# unavailable, sending enough requests would switch the limits off.
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

    def forget(self, key: str) -> None:
        """Delete the counts of a key. Raise Unavailable."""
        with self._presence.asked():
            self._dynamodb.delete_item(TableName=self._table, Key={"id": {"S": key}})
        with self._lock:
            self._seen.pop(key, None)

    def take(self, key: str, limits: Sequence[Limit]) -> Admission:
        """Count one request against all of the key's limits, or against none if one refuses. Raise Unavailable."""
        tats, taken_by = self._recall(key), uuid4().hex
        since_us = now_us = self._clock_us()
        for _ in range(len(limits) + 2):  # each limit turns busy once; and the row may be deleted
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

    def recall_refusal(self, key: str, limits: Sequence[Limit]) -> Admission | None:
        """Return the refusal of a request now, by the TATs that this process has seen; None if it knows of none."""
        return find_refusal(limits, self._recall(key), self._clock_us())

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
