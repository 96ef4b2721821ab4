"""Functions in the local stack: retries, failures, timeouts, killed workers, queues."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.failure_destinations import set_failure_destinations
from tests.support.emulated import Emulated, emulated_aws


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as emulated:
        yield emulated


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines(log: Path, *, count: int, timeout_s: float = 60) -> list[str]:
    """Return the functions' log when it has that many lines."""
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if log.exists() and len(found := log.read_text().splitlines()) >= count:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{log} has not {count} lines: {log.read_text() if log.exists() else 'nothing'}")


def test_a_function_is_given_what_lambda_gives_it(aws: Emulated, log: Path) -> None:
    aws.make_function("succeed", timeout_s=7, LOG=str(log))
    answer = aws.client("lambda").invoke(FunctionName="succeed", Payload=b'{"a": "\xc3\xbc"}')
    result = json.loads(answer["Payload"].read())
    assert result["echo"] == {"a": "ü"}
    assert result["name"] == "succeed"
    assert 5000 < result["remaining_ms"] <= 7000


def test_a_failing_event_is_tried_three_times_and_then_sent_to_the_dead_letters(
    aws: Emulated, log: Path
) -> None:
    arn = aws.make_function("fail", LOG=str(log))
    aws.make_queue("dead")
    done = set_failure_destinations(
        aws.client("lambda"), aws.client("sqs"), app="fa", stage="il", queue="dead"
    )
    assert done == []  # the function is not one of that application's
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName="fail",
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:dead"}},
    )
    aws.make_rule("r", arn, EventPattern='{"source": ["me"]}')
    aws.client("events").put_events(Entries=[{"Source": "me", "DetailType": "t", "Detail": '{"n": 1}'}])
    record = aws.next_received("dead")
    attempts = lines(log, count=3)
    assert len(attempts) == 3
    assert set(attempts) == {record["requestContext"]["requestId"]}
    assert record["version"] == "1.0"
    assert record["requestContext"] == {
        "requestId": attempts[0],
        "functionArn": f"{arn}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"]["detail"] == {"n": 1}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert record["responsePayload"]["errorMessage"] == "no luck"


def test_a_function_over_its_timeout_is_killed_and_the_event_tried_again(aws: Emulated, log: Path) -> None:
    aws.make_function("hang_once", timeout_s=1, LOG=str(log))
    aws.client("lambda").invoke(FunctionName="hang_once", InvocationType="Event", Payload=b"{}")
    first, second = lines(log, count=2)
    assert first != second
    with pytest.raises(ProcessLookupError):
        os.kill(int(first), 0)


def test_a_timeout_is_reported_as_lambda_does(aws: Emulated, log: Path) -> None:
    aws.make_function("hang_once", timeout_s=1, LOG=str(log))
    answer = aws.client("lambda").invoke(FunctionName="hang_once", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in json.loads(answer["Payload"].read())["errorMessage"]


def test_an_event_whose_worker_is_killed_is_tried_again_in_a_new_one(aws: Emulated, log: Path) -> None:
    aws.make_function("hang_once", timeout_s=60, LOG=str(log))
    aws.client("lambda").invoke(FunctionName="hang_once", InvocationType="Event", Payload=b"{}")
    [first] = lines(log, count=1)
    assert aws.workers.pids("hang_once") == [int(first)]
    os.kill(int(first), signal.SIGKILL)
    assert lines(log, count=2)[1] != first


def test_a_function_that_cannot_be_loaded_fails_with_the_reason(aws: Emulated) -> None:
    aws.make_function("missing")
    answer = aws.client("lambda").invoke(FunctionName="missing", Payload=b"{}")
    assert json.loads(answer["Payload"].read())["errorType"] == "AttributeError"


def test_a_queues_messages_reach_their_function_until_it_succeeds(aws: Emulated, log: Path) -> None:
    arn = aws.make_function("fail_once", LOG=str(log))
    queue = aws.make_queue("work", visibility_s="1")
    aws.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName=arn, BatchSize=10)
    aws.client("sqs").send_message(QueueUrl="work", MessageBody="letter")
    assert lines(log, count=2) == ["letter", "letter"]
    time.sleep(1.2)  # had it not been deleted, it would be visible again
    assert lines(log, count=2) == ["letter", "letter"]


def test_failure_destinations_are_set_for_event_driven_functions_only(aws: Emulated, log: Path) -> None:
    aws_lambda, sqs = aws.client("lambda"), aws.client("sqs")
    names = [
        "shop-dev-relay",
        "shop-dev-dead_letters",
        "shop-dev",
        "shop-production-relay",
        "shop-dev-analyzer",
    ]
    arns = {name: aws.make_function(name) for name in names}
    queue = aws.make_queue("dead")
    aws_lambda.create_event_source_mapping(EventSourceArn=queue, FunctionName=arns["shop-dev-dead_letters"])
    for _ in range(2):
        done = set_failure_destinations(aws_lambda, sqs, app="shop", stage="dev", queue="dead")
        assert sorted(done) == ["shop-dev-analyzer", "shop-dev-relay"]
    config = aws_lambda.get_function_event_invoke_config(FunctionName="shop-dev-relay")
    assert config["DestinationConfig"]["OnFailure"]["Destination"] == queue
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 3600)


def test_two_workers_run_side_by_side(tmp_path: Path, log: Path) -> None:
    with emulated_aws(tmp_path, concurrency=2) as aws:
        aws.make_function("hang_once", timeout_s=60, LOG=str(log))
        for _ in range(2):
            aws.client("lambda").invoke(FunctionName="hang_once", InvocationType="Event", Payload=b"{}")
        assert len(set(lines(log, count=2))) == 2


def test_an_event_that_was_running_when_all_was_killed_runs_again(tmp_path: Path, log: Path) -> None:
    with emulated_aws(tmp_path) as aws:
        aws.make_function("hang_once", timeout_s=60, LOG=str(log))
        aws.client("lambda").invoke(FunctionName="hang_once", InvocationType="Event", Payload=b"{}")
        lines(log, count=1)
    with emulated_aws(tmp_path) as aws:
        aws.make_function("hang_once", timeout_s=60, LOG=str(log))
        assert aws.emulator.delivery.resume() == 1
        assert len(set(lines(log, count=2))) == 2
        give_up_at = time.monotonic() + 60
        while any((tmp_path / "queue").iterdir()) and time.monotonic() < give_up_at:
            time.sleep(0.02)
        assert list((tmp_path / "queue").iterdir()) == []
