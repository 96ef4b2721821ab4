"""Writes metrics as lines of the log from which CloudWatch makes them: the Embedded Metric Format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from chalicelib.metrics.declared import NAMESPACE, Metric, Sample


def write_samples(
    samples: Iterable[Sample], *, stage: str, timestamp_ms: int, out: TextIO | None = None
) -> None:
    """Write a line for each sample to standard output, which Lambda sends to CloudWatch Logs.

    The stage local has no CloudWatch: nothing is written there.
    """
    if stage != "local":
        lines = "".join(f"{line}\n" for line in emf_lines(samples, stage=stage, timestamp_ms=timestamp_ms))
        print(
            lines, end="", file=out, flush=True
        )  # one call, so that no other thread's line comes in between


def emf_lines(samples: Iterable[Sample], *, stage: str, timestamp_ms: int) -> Iterator[str]:
    """Yield a line of EMF for each set of labels. A value that is not finite is left out."""
    groups: dict[Any, list[tuple[Metric, Any]]] = {}
    for sample in samples:
        metric = sample.metric
        values = [round(value, 6) for value in sample.values if math.isfinite(value)]
        if values:
            # A dimension must have a value of 1 to 1024 characters.
            labels = tuple((name, value[:1024] or "-") for name, value in sample.labels.items())
            told: Any = sum(values) if metric.kind == "counter" else values if len(values) > 1 else values[0]
            groups.setdefault((labels, metric.dimensions), []).append((metric, told))
    for (labels, dimensions), metrics in groups.items():
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["Stage", *dimensions]],
            "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric, _ in metrics],
        }
        named = {metric.name: value for metric, value in metrics}
        about = {"Timestamp": timestamp_ms, "CloudWatchMetrics": [directive]}
        yield json.dumps({"_aws": about, "Stage": stage, **dict(labels), **named})
