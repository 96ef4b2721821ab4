"""Metrics: declared once, for Prometheus by /metrics and for CloudWatch by lines of the log."""

import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.metrics import process
from chalicelib.metrics.cloudwatch import write_samples
from chalicelib.metrics.declared import METRICS, MODEL_TOKENS, OUTBOX_AGE, TASK_DURATION, Sample
from chalicelib.metrics.prometheus import render
from tests.support.talking import Talk
from tests.support.world import World, jpeg

# The schema of the specification, narrowed to what we send: seconds and counts, at most 100 values.
NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
EMF: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"const": "Collections"},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "minItems": 1, "maxItems": 30, "items": NAME},
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {"Name": NAME, "Unit": {"enum": ["Seconds", "Count"]}},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    process._totals.clear()
    process.take_unreported()


def written(text: str) -> list[dict[str, Any]]:
    """Return the lines of EMF, each checked against the schema and for what its directive refers to."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
    for line in lines:
        jsonschema.validate(line, EMF)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        for name in directive["Dimensions"][0]:
            assert isinstance(line[name], str) and 0 < len(line[name]) <= 1024
        for metric in directive["Metrics"]:
            values = line[metric["Name"]]
            for value in values if isinstance(values, list) else [values]:
                assert isinstance(value, int | float)
            assert not isinstance(values, list) or 1 < len(values) <= 100
    return lines


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_both_names_of_a_metric_follow_from_its_declaration() -> None:
    assert (OUTBOX_AGE.prometheus_name, MODEL_TOKENS.prometheus_name) == (
        "collections_outbox_age_seconds",
        "collections_model_tokens_total",
    )
    names = [metric.prometheus_name for metric in METRICS]
    assert len(set(names)) == len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert set(metric.dimensions) <= set(metric.labels)
        assert re.fullmatch(r"collections_[a-z_]+", metric.prometheus_name)


def test_each_metric_is_valid_for_cloudwatch_and_for_prometheus() -> None:
    hostile = 'a"b\\c\nd\u00e9'
    samples = [
        Sample(metric=metric, labels=dict.fromkeys(metric.labels, hostile), values=(1.5,))
        for metric in METRICS
    ]
    out = io.StringIO()
    write_samples(samples, stage="dev", timestamp_ms=1_700_000_000_000, out=out)
    lines = written(out.getvalue())
    told = {name: line for line in lines for name in line}
    for metric in METRICS:
        assert {"Stage", *metric.labels} <= told[metric.name].keys()
    assert len(lines) == 1 + len(METRICS) - 4  # those without labels are one line
    totals = [(each.metric, each.labels, 1.5, 1) for each in samples if each.metric.kind != "gauge"]
    found = families(render([each for each in samples if each.metric.kind == "gauge"], totals))
    for metric in METRICS:
        family = found[metric.prometheus_name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {name.lower(): hostile for name in metric.labels}
        assert [sample.labels for sample in family.samples] == [labels] * len(family.samples) != []


def test_values_of_one_call_are_one_line_and_a_number_that_is_none_is_left_out() -> None:
    samples = [
        Sample(metric=TASK_DURATION, labels={"Kind": "embed", "Outcome": ""}, values=(1.0, 2.0)),
        Sample(metric=MODEL_TOKENS, labels={"Provider": "p", "Model": "m", "Type": "input"}, values=(3, 4)),
        Sample(metric=OUTBOX_AGE, values=(float("nan"),)),
    ]
    out = io.StringIO()
    write_samples(samples, stage="dev", timestamp_ms=1, out=out)
    durations, tokens = written(out.getvalue())
    assert (durations["TaskDuration"], durations["Outcome"], tokens["ModelTokens"]) == ([1.0, 2.0], "-", 7)
    out = io.StringIO()
    write_samples(samples, stage="local", timestamp_ms=1, out=out)
    assert out.getvalue() == ""


def test_a_metric_takes_its_declared_labels_only() -> None:
    with pytest.raises(TypeError, match="Kind"):
        process.observe(TASK_DURATION, 1.0, Kind="embed")
    for _ in range(process.MAX_VALUES + 1):
        process.observe(TASK_DURATION, 1.0, Kind="embed", Outcome="done")
    (sample,) = process.take_unreported()
    assert (len(sample.values), process.take_unreported()) == (process.MAX_VALUES, [])
    assert [count for _, _, _, count in process.totals()] == [process.MAX_VALUES + 1]


def test_the_relay_tells_cloudwatch_what_waits(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ingest("alice/done.jpg", jpeg("blue"))
    world.sql("UPDATE outbox SET due_at = now() - interval '1 day'")
    world.step(world.put("alice/a.jpg", jpeg()))
    world.messages()
    world.sql(
        "UPDATE outbox SET published_at = NULL, due_at = now() - interval '90 s',"
        " locked_until = now() + interval '1 hour' WHERE item_id = 'a';"
        "UPDATE tasks SET run_after = now() - interval '10 min' WHERE stage = 'analyze' AND item_id = 'a';"
        "INSERT INTO dead_letters (message_id, function, reason, error, payload)"
        " VALUES ('m', 'relay', 'none', 'none', '{}')"
    )
    capsys.readouterr()
    monkeypatch.setenv("ENVIRONMENT", "dev")
    handlers.minute_passed()
    lines = written(capsys.readouterr().out)
    waits, tasks = [line for line in lines if "OutboxAge" in line or "Tasks" in line]
    assert waits["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Stage"]]
    assert (waits["Stage"], waits["OutboxEvents"], waits["DeadLetters"]) == ("dev", 1, 1)
    assert 90 <= waits["OutboxAge"] < 900
    assert 600 <= waits["WorkAge"] < 6000
    assert (tasks["Kind"], tasks["State"], tasks["Tasks"]) == ("analyze", "ready", 1)


def test_metrics_are_what_prometheus_reads(talk: Talk) -> None:
    talk.world.ingest("alice/a.jpg", jpeg())
    talk("GET", "/api/v1/items")
    talk.use_model(lambda _asked: {"sentences": []})
    talk.answer(talk.begin(), "What does a.jpg show?")
    talk("GET", "/api/v1/nothing/<here>")
    answer = talk("GET", "/metrics")
    assert (answer.status, answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")) == (
        200,
        True,
    )
    found = families(answer.body if isinstance(answer.body, str) else answer.body.decode())
    assert found.keys() == {metric.prometheus_name.removesuffix("_total") for metric in METRICS}
    (age,) = found["collections_outbox_age_seconds"].samples
    assert age.value == 0
    done = {
        (sample.labels["kind"], sample.labels["outcome"]): sample.value
        for sample in found["collections_task_duration_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert done == {(kind, "done"): 1 for kind in ("process", "analyze", "embed", "answer")}
    calls = {
        tuple(sample.labels.values()): sample.value
        for sample in found["collections_model_call_duration_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert calls == {
        ("embeddings", "openai", "test-embedding", "ok"): 2,
        ("chat", "openai", "stub-1", "ok"): 1,
    }
    tokens = {sample.labels["type"]: sample.value for sample in found["collections_model_tokens"].samples}
    assert tokens == {"input": 11, "output": 7}
    routes = {
        (sample.labels["route"], sample.labels["status"])
        for sample in found["collections_request_duration_seconds"].samples
    }
    assert ("GET /api/v1/items", "200") in routes
    assert not any("<" in route for route, _ in routes)


def test_production_has_no_metrics_page(talk: Talk) -> None:
    talk.monkeypatch.delenv("ANONYMOUS_USER")
    talk.monkeypatch.setenv("ENVIRONMENT", "production")
    talk.monkeypatch.setenv("ANALYZER_PROVIDER", "local")
    wiring.forget_all()
    answer = talk("GET", "/metrics")
    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_the_documentation_has_every_metric() -> None:
    table = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
    for metric in METRICS:
        labels = ", ".join(f"**{name}**" if name in metric.dimensions else name for name in metric.labels)
        assert f"| `{metric.prometheus_name}` | `{metric.name}`, {metric.unit} | {labels}" in table
