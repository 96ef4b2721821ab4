"""Emulates EventBridge's buses: takes PutEvents, finds the matching rules, and sends the events to their targets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.events.exceptions import ValidationException
from moto.events.models import Rule, events_backends

from local.layout import ACCOUNT, REGION

MAX_ENTRIES = 10
MAX_TOTAL_BYTES = 256 * 1024

Deliver = Callable[[str, str], None]


class EventBus:
    """The event buses. Events are matched with the rules that are deployed at that moment.

    `deliver` gets a target's ARN and its input, which is JSON. It runs inside PutEvents, so it must only queue.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def put_events(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Publish the entries. Return PutEvents' result for each. Raise moto's ValidationException over AWS' limits."""
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise ValidationException(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_ENTRIES}"
            )
        if sum(map(_size_bytes, entries)) > MAX_TOTAL_BYTES:
            raise ValidationException("Total size of the entries in the request is over the limit.")
        return [self._put(entry) for entry in entries]

    def publish(self, event: dict[str, Any], *, bus: str = "default") -> None:
        """Send `event` to the targets of every enabled rule of the bus whose pattern matches it."""
        found = events_backends[ACCOUNT][REGION].event_buses.get(bus)
        for rule in list(found.rules.values()) if found else []:
            if rule.state == "ENABLED" and _matches(rule, event):
                self.send_to_targets(rule, event)

    def send_to_targets(self, rule: Rule, event: dict[str, Any]) -> None:
        """Send `event` to the rule's targets. A target with a constant input gets that input instead."""
        for target in list(rule.targets):
            if "InputPath" in target or "InputTransformer" in target:
                raise NotImplementedError(
                    f"{rule.name}: the local event bus has no InputPath or InputTransformer"
                )
            self._deliver(target["Arn"], target.get("Input") or json.dumps(event))

    def _put(self, entry: dict[str, Any]) -> dict[str, Any]:
        for name in ("Source", "DetailType", "Detail"):
            if not entry.get(name):
                return _error(
                    "InvalidArgument",
                    f"Parameter {name} is not valid. Reason: {name} is a required argument.",
                )
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return _error("MalformedDetail", "Detail is malformed.")
        event_id = str(uuid4())
        time = datetime.fromtimestamp(float(entry["Time"]), UTC) if entry.get("Time") else datetime.now(UTC)
        event = {
            "version": "0",
            "id": event_id,
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": ACCOUNT,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": entry.get("Resources") or [],
            "detail": detail,
        }
        self.publish(event, bus=(entry.get("EventBusName") or "default").rpartition("/")[2])
        return {"EventId": event_id}


def _matches(rule: Rule, event: dict[str, Any]) -> bool:
    # A rule without a pattern is a schedule. In moto it matches every event.
    pattern: Any = rule.event_pattern
    return bool(pattern.get_pattern()) and pattern.matches_event(event)


def _size_bytes(entry: dict[str, Any]) -> int:
    """Return an entry's size in bytes by the EventBridge user guide, "Calculating PutEvents event entry size"."""
    texts = [
        entry.get("Source"),
        entry.get("DetailType"),
        entry.get("Detail"),
        *(entry.get("Resources") or []),
    ]
    return (14 if entry.get("Time") else 0) + sum(len(text.encode()) for text in texts if text)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"ErrorCode": code, "ErrorMessage": message}
