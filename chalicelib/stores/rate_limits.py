"""Rate limits: one row of DynamoDB for each key, with the theoretical arrival times (TAT) of all its limits.

    id (S)             "address:192.0.2.1", "user:<id>", "account:<hash>"
    user-burst-20s (N) and so on: each limit's TAT, microseconds since 1970
    taken_by (S)       the request that was counted last
    expires_at (N)     seconds since 1970, when all of them have long passed

A request is one UpdateItem, which DynamoDB judges and writes as one step. It has no max(), so for each limit one of
two forms is sent, by what was last seen of the row:

    idle   attribute_not_exists(TAT) OR TAT <= :now          SET TAT = now + interval
           Nothing is used up: the request starts a new count. Without this condition each request would.
    busy   TAT > :now AND TAT <= :now + tolerance            SET TAT = TAT + interval
           The first clause, because a TAT that lags behind `now` is credit for time long gone: adding to it
           would admit any number. The second is the limit itself.

All limits' forms stand in one update: it counts against all or, when a condition fails, against none. The failure
brings the row with it, and that says what to do: refuse, or send the other form. A TAT never goes down, so for one
`now` each limit can only turn from idle to busy, once, and the update is sent again as often at most.

The same holds for what this process saw before: a TAT is now that or later. A refusal by it is exact and asks
nobody; under attack hardly any request reaches the table. A request that is admitted costs one write, and another
one when somebody else has just used up what this process took for idle.

`now` is the caller's. Of processes whose clocks differ by d, the one that is ahead admits d / interval more, as
if it were that much later; nothing else goes wrong.

botocore sends a write again when its answer got lost. That the row is `taken_by` this very request says that it has
been counted; only when another one was counted in between does it count twice.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from chalicelib.errors import Unavailable
from chalicelib.model.limits import MICROSECONDS, Admission, Limit, Tats, admitted, judge
from chalicelib.stores.dynamodb import TTL_ATTRIBUTE, refused_item, translated

log = logging.getLogger("collections.rate_limits")

REMEMBERED_KEYS = 1_024  # some 0.5 MB
KEPT_S = 25 * 3600  # longer than any window, and an hour for clocks that differ
PAUSE_US = 5 * MICROSECONDS
LOG_EVERY_US = 60 * MICROSECONDS
# DynamoDB takes 1,000 writes a second of one key, more than a limit allows. To take that for its being away would
# open the gates to whoever sends enough.
THROTTLED_US = 1 * MICROSECONDS
_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}


class RateLimits:
    """Of one table. While DynamoDB is away it is asked once every 5 s, by one request; the others are told at once."""

    def __init__(self, client: Any, *, table: str) -> None:
        self._dynamodb = client
        self._table = table
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Tats] = OrderedDict()
        self._ask_again_us: int | None = None
        self._log_again_us = 0

    def take(self, key: str, limits: Sequence[Limit], *, now_us: int) -> Admission:
        """Count one request against all of the key's limits, or against none if one refuses. Raises Unavailable."""
        tats, taken_by = self._recall(key), uuid4().hex
        for _ in range(len(limits) + 2):  # each turns busy once; and the row may be gone
            refusal = judge(limits, tats, now_us)
            if refusal:
                return refusal
            taken, tats = self._update(key, limits, tats, taken_by, now_us)
            self._remember(key, tats)
            if taken:
                return admitted(limits, tats, now_us)
        raise Unavailable("This limit changes too fast; try again soon.", code="rate_limit_contended")

    def _update(
        self, key: str, limits: Sequence[Limit], tats: Tats, taken_by: str, now_us: int
    ) -> tuple[bool, Tats]:
        """Whether it was counted, and what the row's TATs are now."""
        self._require_presence(now_us)
        try:
            with translated():
                outcome = self._send(key, limits, tats, taken_by, now_us)
        except Unavailable:
            self._note_absence(now_us)
            raise
        self._ask_again_us = None
        return outcome

    def _send(
        self, key: str, limits: Sequence[Limit], tats: Tats, taken_by: str, now_us: int
    ) -> tuple[bool, Tats]:
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": key}},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_expressions(limits, tats, taken_by, now_us),
            )
        except ClientError as error:
            row = refused_item(error)
            if row is not None:
                return row.get("taken_by") == {"S": taken_by}, _tats(row)
            if error.response["Error"]["Code"] not in _THROTTLED:
                raise
            return False, {limit.counter: now_us + limit.tolerance_us + THROTTLED_US for limit in limits}
        return True, {**tats, **_tats(answer["Attributes"])}

    def _require_presence(self, now_us: int) -> None:
        with self._lock:
            if self._ask_again_us is None:
                return
            # A clock that was set back must not make the pause longer.
            if self._ask_again_us - PAUSE_US <= now_us < self._ask_again_us:
                raise Unavailable("DynamoDB is away; try again soon.", code="dynamodb_unavailable")
            self._ask_again_us = now_us + PAUSE_US

    def _note_absence(self, now_us: int) -> None:
        with self._lock:
            self._ask_again_us = now_us + PAUSE_US
            silent = now_us < self._log_again_us
            if not silent:
                self._log_again_us = now_us + LOG_EVERY_US
        if not silent:
            log.warning("rate limits are not counted: DynamoDB is away", exc_info=True)

    def _recall(self, key: str) -> Tats:
        with self._lock:
            return self._seen.get(key, {})

    def _remember(self, key: str, tats: Tats) -> None:
        with self._lock:
            self._seen[key] = tats
            self._seen.move_to_end(key)
            if len(self._seen) > REMEMBERED_KEYS:
                self._seen.popitem(last=False)


def _expressions(limits: Sequence[Limit], tats: Tats, taken_by: str, now_us: int) -> dict[str, Any]:
    """Each limit in its idle or busy form, by the TATs given; see the top of this file."""
    names = {f"#{n}": limit.counter for n, limit in enumerate(limits)}
    values = {":now": now_us, ":expires_at": now_us // MICROSECONDS + KEPT_S}
    conditions = ["(attribute_not_exists(taken_by) OR taken_by <> :taken_by)"]
    changes = [f"{TTL_ATTRIBUTE} = :expires_at", "taken_by = :taken_by"]
    for n, limit in enumerate(limits):
        if tats.get(limit.counter, 0) <= now_us:
            conditions.append(f"(attribute_not_exists(#{n}) OR #{n} <= :now)")
            changes.append(f"#{n} = :by{n}")
            values[f":by{n}"] = now_us + limit.interval_us
        else:
            conditions.append(f"#{n} > :now AND #{n} <= :at_most{n}")
            changes.append(f"#{n} = #{n} + :by{n}")
            values |= {f":at_most{n}": now_us + limit.tolerance_us, f":by{n}": limit.interval_us}
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
