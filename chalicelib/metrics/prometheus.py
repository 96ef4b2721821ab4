"""Renders metrics in Prometheus' text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from collections.abc import Iterable, Mapping

from chalicelib.metrics.declared import METRICS, Metric, Sample

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Total = tuple[Metric, Mapping[str, str], float, int]


def render(gauges: Iterable[Sample], totals: Iterable[Total]) -> str:
    """Return the text: the stage's gauges, and the sums and counts of this process."""
    lines: dict[str, list[str]] = {metric.name: [] for metric in METRICS}
    for sample in gauges:
        lines[sample.metric.name].append(_line(sample.metric, "", sample.labels, sample.values[0]))
    for metric, labels, total, count in totals:
        if metric.kind == "counter":
            lines[metric.name].append(_line(metric, "", labels, total))
        else:
            lines[metric.name].append(_line(metric, "_sum", labels, total))
            lines[metric.name].append(_line(metric, "_count", labels, count))
    text = []
    for metric in METRICS:
        text.append(f"# HELP {metric.prometheus_name} {metric.help}")
        text.append(f"# TYPE {metric.prometheus_name} {metric.kind}")
        text += sorted(lines[metric.name])
    return "\n".join(text) + "\n"


def _line(metric: Metric, end: str, labels: Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{name.lower()}="{_escaped(each)}"' for name, each in labels.items())
    return f"{metric.prometheus_name}{end}{f'{{{inner}}}' if inner else ''} {value!r}"


def _escaped(value: str) -> str:
    return re.sub(r'[\\"\n]', lambda match: {"\n": "\\n"}.get(match[0], "\\" + match[0]), value)
