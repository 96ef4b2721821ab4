"""The emulated EventBridge: limits, routing, schedules."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.schedules import next_time
from tests.support.emulated import Emulated, emulated_aws


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as emulated:
        yield emulated


def entry(**change: Any) -> dict[str, Any]:
    return {
        "Source": "collections.analyzer",
        "DetailType": "AnalysisComplete",
        "Detail": '{"item_id": "a"}',
        **change,
    }


def test_an_event_reaches_the_targets_of_the_rules_it_matches(aws: Emulated) -> None:
    pattern = {"source": ["collections.analyzer"], "detail": {"item_id": [{"prefix": "a"}]}}
    aws.make_rule("matching", aws.make_queue("matching"), EventPattern=json.dumps(pattern))
    aws.make_rule("other", aws.make_queue("other"), EventPattern='{"source": ["collections.embedder"]}')
    aws.make_rule("off", aws.make_queue("off"), EventPattern=json.dumps(pattern), State="DISABLED")
    aws.make_rule("timer", aws.make_queue("timer"), ScheduleExpression="rate(1 day)", State="DISABLED")
    detail = '{"item_id": "a", "text": "<id> <aws.events.event.json> \\u00fc"}'
    answer = aws.client("events").put_events(Entries=[entry(Detail=detail), entry(Detail='{"item_id": "b"}')])
    [event] = aws.received("matching")
    assert event["detail"] == json.loads(detail)
    assert event["id"] == answer["Entries"][0]["EventId"]
    assert set(event) == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert datetime.fromisoformat(event["time"]) <= datetime.now(UTC)
    assert [aws.received(queue) for queue in ("other", "off", "timer")] == [[], [], []]


def test_entries_that_cannot_be_taken_are_told_one_by_one(aws: Emulated) -> None:
    aws.make_rule("all", aws.make_queue("all"), EventPattern='{"account": ["000000000000"]}')
    entries = [entry(Detail="no json"), entry(), entry(Detail="[1]"), entry(Source="")]
    answer = aws.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 3
    assert [e.get("ErrorCode") for e in answer["Entries"]] == [
        "MalformedDetail",
        None,
        "MalformedDetail",
        "InvalidArgument",
    ]
    assert len(aws.received("all")) == 1


def test_a_call_over_the_limits_is_refused_whole(aws: Emulated) -> None:
    aws.make_rule("all", aws.make_queue("all"), EventPattern='{"account": ["000000000000"]}')
    with pytest.raises(ClientError, match="less than or equal to 10"):
        aws.client("events").put_events(Entries=[entry()] * 11)
    room = 256 * 1024 - len("collections.analyzer" + "AnalysisComplete")
    with pytest.raises(ClientError, match="Total size of the entries in the request is over the limit"):
        aws.client("events").put_events(
            Entries=[entry(Detail=json.dumps({"x": "é" * (room // 2)}, ensure_ascii=False))]
        )
    fitting = json.dumps({"x": "y" * (room - len('{"x": ""}'))})
    assert aws.client("events").put_events(Entries=[entry(Detail=fitting)])["FailedEntryCount"] == 0
    assert len(aws.received("all")) == 1


def test_a_schedule_fires_only_its_own_target_and_keeps_its_pace(aws: Emulated) -> None:
    for name in ("minute", "hour"):
        aws.make_rule(name, aws.make_queue(name), ScheduleExpression=f"rate(1 {name})")
    aws.make_rule("all", aws.make_queue("all"), EventPattern='{"account": ["000000000000"]}')
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for second in range(0, 121, 20):
        aws.emulator.scheduler.tick(start + timedelta(seconds=second))
    fired = aws.received("minute")
    assert [event["time"][11:19] for event in fired] == ["00:00:00", "00:01:00", "00:02:00"]
    assert fired[0]["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/minute"]
    assert (fired[0]["source"], fired[0]["detail-type"]) == ("aws.events", "Scheduled Event")
    assert len(aws.received("hour")) == 1
    assert aws.received("all") == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(5 minutes)", "2026-01-30T23:05:30"),  # Friday, 23:00:30
        ("rate(1 day)", "2026-01-31T23:00:30"),
    ],
)
def test_next_time_of_a_schedule(expression: str, expected: str) -> None:
    after = datetime(2026, 1, 30, 23, 0, 30, tzinfo=UTC)
    assert next_time(expression, after) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression", ["rate(5)", "rate(5 years)", "cron(0 3 * * ? *)", "at(2026-01-01T00:00:00)"]
)
def test_a_schedule_that_is_no_rate_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        next_time(expression, datetime(2026, 1, 1, tzinfo=UTC))
