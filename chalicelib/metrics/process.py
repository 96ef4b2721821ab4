"""Counters of this process: since it began, for Prometheus, and since its last report, for CloudWatch.

It is one for the whole process, as the logs are. Thread-safe.
"""

import threading
from collections.abc import Mapping

from chalicelib.metrics.declared import Metric, Sample

MAX_VALUES = 100  # a metric's values in one log line; CloudWatch takes no more
_lock = threading.Lock()
_totals: dict[tuple[str, tuple[str, ...]], tuple[Metric, float, int]] = {}
_unreported: dict[tuple[str, tuple[str, ...]], tuple[Metric, list[float]]] = {}


def observe(metric: Metric, value: float, **labels: str) -> None:
    """Add a value to a counter or a summary. Raise TypeError for other labels than the declared ones."""
    if labels.keys() != set(metric.labels):
        raise TypeError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
    key = metric.name, tuple(labels[name] for name in metric.labels)
    with _lock:
        _, total, count = _totals.get(key, (metric, 0.0, 0))
        _totals[key] = metric, total + value, count + 1
        values = _unreported.setdefault(key, (metric, []))[1]
        if len(values) < MAX_VALUES:  # of one invocation; beyond it the rest is not reported
            values.append(value)


def totals() -> list[tuple[Metric, Mapping[str, str], float, int]]:
    """Return (metric, labels, sum, count) of all that was observed."""
    with _lock:
        return [
            (metric, _labels(metric, key[1]), total, count) for key, (metric, total, count) in _totals.items()
        ]


def take_unreported() -> list[Sample]:
    """Return what was observed since the last call."""
    with _lock:
        taken = [
            Sample(metric=metric, labels=_labels(metric, key[1]), values=tuple(values))
            for key, (metric, values) in _unreported.items()
        ]
        _unreported.clear()
        return taken


def _labels(metric: Metric, values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(metric.labels, values, strict=True))
