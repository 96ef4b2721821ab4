"""Reports what this process has done, at the end of each of Lambda's calls: afterwards the process is frozen."""

import time
from collections.abc import Iterable

from chalicelib.metrics import cloudwatch, process
from chalicelib.metrics.declared import Sample
from chalicelib.wiring.configuration import stage


def report_metrics(gauges: Iterable[Sample] = ()) -> None:
    """Write the stage's gauges, and what was counted since the last report, for CloudWatch."""
    samples = [*gauges, *process.take_unreported()]
    cloudwatch.write_samples(samples, stage=stage(), timestamp_ms=int(time.time() * 1000))
