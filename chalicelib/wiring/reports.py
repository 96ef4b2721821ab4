"""Begins and ends each of Lambda's calls: what it did is reported before the answer, as the process then freezes."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chalicelib.metrics import cloudwatch, process
from chalicelib.metrics.declared import Sample
from chalicelib.settings import VERSION
from chalicelib.tracing import names, spans, xray
from chalicelib.wiring.configuration import settings, stage
from chalicelib.wiring.once import once

if TYPE_CHECKING:
    from chalicelib.providers.tracing.collectors import Exporter


@contextmanager
def invocation(traceparent: Any = None) -> Iterator[None]:
    """Do one of Lambda's calls, as a part of the caller's trace, or of Lambda's own; report what it did."""
    with (
        spans.continued(xray.traceparent_of(os.environ.get("_X_AMZN_TRACE_ID"))),
        spans.continued(traceparent),
    ):
        try:
            yield
        finally:
            report_metrics()
            _report_spans()


def report_metrics(gauges: Iterable[Sample] = ()) -> None:
    """Write the stage's gauges, and what was counted since the last report, for CloudWatch."""
    samples = [*gauges, *process.take_unreported()]
    cloudwatch.write_samples(samples, stage=stage(), timestamp_ms=int(time.time() * 1000))


@once
def exporter() -> "Exporter | None":
    """Return what sends spans, None where no collector is set."""
    found = settings().tracing
    if found.otlp_url is None and found.langsmith_url is None:
        return None
    from chalicelib.providers.tracing.collectors import Collector, Exporter

    collectors = [
        Collector(name=name, url=url, headers=headers, with_content=found.with_content)
        for name, url, headers in (
            ("otlp", found.otlp_url, found.otlp_headers),
            ("langsmith", found.langsmith_url, found.langsmith_headers),
        )
        if url is not None
    ]
    resource = {
        names.SERVICE_NAME: "collections",
        names.SERVICE_VERSION: VERSION,
        names.ENVIRONMENT: stage(),
    }
    return Exporter(collectors, resource=resource)


def _report_spans() -> None:
    finished = spans.take_finished()
    if not finished:
        return
    # Without settings, as of a request for /health/live, nobody knows where they are to go.
    if settings.is_made() and (made := exporter()) is not None:
        made.export(finished)
    if address := os.environ.get("AWS_XRAY_DAEMON_ADDRESS"):
        from chalicelib.providers.tracing.collectors import send_datagrams

        send_datagrams(xray.subsegments(finished, os.environ.get("_X_AMZN_TRACE_ID")), address=address)
