"""Every metric: its name, unit, labels and help.

Prometheus has a metric as `collections_outbox_age_seconds`, CloudWatch as `OutboxAge` in the namespace Collections with
the dimension Stage. A label of `dimensions` is a dimension there too; each of its values is billed as a metric of its
own. The other labels are fields of the log line.
"""

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

NAMESPACE = "Collections"
Unit = Literal["Seconds", "Count"]


class Metric(Struct, frozen=True, kw_only=True):
    """A gauge is a state of the whole stage. Counters and summaries are what one process has done."""

    name: str
    kind: Literal["gauge", "counter", "summary"]
    unit: Unit
    labels: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    help: str

    @property
    def prometheus_name(self) -> str:
        """Return the name in Prometheus' convention: snake case, the unit, and _total for a counter."""
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()
        end = {"counter": "_total"}.get(self.kind, "_seconds" if self.unit == "Seconds" else "")
        return f"collections_{words}{end}"


class Sample(Struct, frozen=True, kw_only=True):
    """Values of a metric under one set of labels; a gauge has one value."""

    metric: Metric
    labels: Mapping[str, str] = {}
    values: tuple[float, ...]


OUTBOX_AGE = Metric(
    name="OutboxAge",
    kind="gauge",
    unit="Seconds",
    help="How long the oldest event has been due that the bus has not taken; 0 when there is none.",
)
OUTBOX_EVENTS = Metric(
    name="OutboxEvents", kind="gauge", unit="Count", help="Events that the bus has not taken."
)
TASKS = Metric(
    name="Tasks",
    kind="gauge",
    unit="Count",
    labels=("Kind", "State"),
    dimensions=("Kind", "State"),
    help="Tasks that are ready, running or failed. An item that is not READY has one.",
)
WORK_AGE = Metric(
    name="WorkAge",
    kind="gauge",
    unit="Seconds",
    help="How long the oldest task has been due that nobody works on; 0 when there is none.",
)
DEAD_LETTERS = Metric(
    name="DeadLetters",
    kind="gauge",
    unit="Count",
    help="Events and messages that no function could handle, and that nobody has redriven.",
)
REQUEST_DURATION = Metric(
    name="RequestDuration",
    kind="summary",
    unit="Seconds",
    labels=("Route", "Status"),
    help="Requests by route and status, and how long they took inside the function.",
)
TASK_DURATION = Metric(
    name="TaskDuration",
    kind="summary",
    unit="Seconds",
    labels=("Kind", "Outcome"),
    dimensions=("Kind", "Outcome"),
    help="Attempts at tasks, and how long they took. Outcome: done, continues, lost, or the error's code.",
)
MODEL_CALL_DURATION = Metric(
    name="ModelCallDuration",
    kind="summary",
    unit="Seconds",
    labels=("Operation", "Provider", "Model", "Outcome"),
    dimensions=("Provider", "Model"),
    help="Calls of models, and how long they took. Outcome: ok, or the error's code.",
)
MODEL_TOKENS = Metric(
    name="ModelTokens",
    kind="counter",
    unit="Count",
    labels=("Provider", "Model", "Type"),
    dimensions=("Provider", "Model", "Type"),
    help="Tokens by type: input, cached, cache_write, output. They do not overlap.",
)
METRICS = (
    *(OUTBOX_AGE, WORK_AGE, OUTBOX_EVENTS, TASKS, DEAD_LETTERS),
    *(REQUEST_DURATION, TASK_DURATION, MODEL_CALL_DURATION, MODEL_TOKENS),
)
