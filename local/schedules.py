"""Fires EventBridge rules that have a rate, such as rate(5 minutes). Times are UTC."""

import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from moto.events.models import Rule, events_backends

from local.layout import ACCOUNT, REGION


def next_time(expression: str, after: datetime) -> datetime:
    """Return the time one period after `after`.

    Raise ValueError for any other expression than a rate: no rule of the app has a cron expression.
    """
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if match is None:
        raise ValueError(f"only rate(...) runs locally, this rule has {expression}")
    return after + timedelta(**{f"{match[2]}s": int(match[1])})


class Scheduler:
    """A thread that fires every enabled rule that has a rate, for the rule's own targets only.

    A rule fires when it is first seen and then once per period. So a restart catches up at once.
    """

    def __init__(self, fire: Callable[[Rule, dict[str, Any]], None]) -> None:
        self._fire = fire
        self._due: dict[tuple[str, str], datetime] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="schedules").start()

    def stop(self) -> None:
        self._stopped.set()

    def tick(self, now: datetime) -> None:
        """Fire the rules that are due at `now`. A rule that missed several times fires once."""
        for rule in list(events_backends[ACCOUNT][REGION].event_buses["default"].rules.values()):
            expression = rule.scheduled_expression
            if not expression or rule.state != "ENABLED":
                continue
            key = (rule.arn, expression)
            if key not in self._due:
                self._due[key] = _first_time(expression, now)
            if self._due[key] <= now:
                following = next_time(expression, self._due[key])
                self._due[key] = following if following > now else next_time(expression, now)
                self._fire(rule, _scheduled_event(rule, now))

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            self.tick(datetime.now(UTC))


def _first_time(expression: str, now: datetime) -> datetime:
    """Return `now`. For a rule that cannot run locally print a line to stderr and return the latest datetime."""
    try:
        next_time(expression, now)
    except ValueError as error:
        print(f"a schedule will not fire locally: {error}", file=sys.stderr)
        return datetime.max.replace(tzinfo=UTC)
    return now


def _scheduled_event(rule: Rule, now: datetime) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [rule.arn],
        "detail": {},
    }
