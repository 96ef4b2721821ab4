"""When EventBridge's schedule expressions fire: rate(5 minutes), cron(0 3 * * ? *). Times are UTC."""

import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from moto.events.models import Rule, events_backends

from local.places import ACCOUNT, REGION

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def next_time(expression: str, after: datetime) -> datetime:
    """The first time later than `after` at which `expression` fires; a rate's, one period later.

    Raises ValueError for what it cannot tell: cron's L, W and #, or nothing within four years.
    """
    if match := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return after + timedelta(**{f"{match[2]}s": int(match[1])})
    if not (match := re.fullmatch(r"cron\((.+)\)", expression)) or len(fields := match[1].split()) != 6:
        raise ValueError(f"not a schedule expression: {expression}")
    minutes, hours, days, months, weekdays, years = fields
    time = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    end = after + timedelta(days=4 * 366)
    while time < end:
        if not (
            _has(months, time.month, _MONTHS, 1)
            and _has(years, time.year)
            and _day_fits(days, weekdays, time)
        ):
            time = (time + timedelta(days=1)).replace(hour=0, minute=0)
        elif not _has(hours, time.hour):
            time = (time + timedelta(hours=1)).replace(minute=0)
        elif not _has(minutes, time.minute):
            time += timedelta(minutes=1)
        else:
            return time
    raise ValueError(f"{expression} does not fire within four years")


def _day_fits(days: str, weekdays: str, time: datetime) -> bool:
    return _has(days, time.day) and _has(weekdays, time.isoweekday() % 7 + 1, _DAYS, 1)


def _has(field: str, value: int, names: tuple[str, ...] = (), first: int = 0) -> bool:
    """Whether a cron field such as *, ?, 5, 1-5, MON-FRI, 0/15 or 1,3 contains `value`."""
    for index, name in enumerate(names):
        field = field.replace(name, str(index + first))
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start = 0 if low in ("*", "?") else int(low)
        end = int(high) if high else (start if low.isdigit() and not step else 9999)
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


class Scheduler:
    """Fires every enabled rule with a schedule, at its own targets only.

    A rate fires when the rule is first seen and then every period, so that a restart catches up at once.
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
        """Fire what is due at `now`; what was missed in between fires once."""
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
    """Now for a rate; never, said once, for what the local stack cannot tell."""
    try:
        return now if expression.startswith("rate(") else next_time(expression, now)
    except ValueError as error:
        print(f"a schedule will not fire locally: {error}", file=sys.stderr)
        return datetime.max.replace(tzinfo=UTC)


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
