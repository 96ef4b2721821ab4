"""`./collections doctor`: each thing that the guides' troubleshooting knows is broken in the emulator, and named."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from cli.__main__ import main
from deploy.doctor.examine import examine
from deploy.doctor.findings import Finding, Stage
from local.layout import ACCOUNT
from tests.cli.conftest import Operator, run_collections, shell
from tests.support.databases import execute
from tests.support.deployed import BUCKET

LATE_TASK = """
INSERT INTO users (id) VALUES ('ann');
INSERT INTO items (user_id, id, key, name, status) VALUES ('ann', 'a', 'ann/a.jpg', 'a.jpg', 'PENDING');
INSERT INTO tasks (user_id, item_id, stage, run_after) VALUES ('ann', 'a', 'process', now() - interval '50 minutes');
INSERT INTO tasks (user_id, item_id, stage, state, lease_until)
VALUES ('ann', 'a', 'embed', 'running', now() - interval '40 minutes');
INSERT INTO outbox (user_id, item_id, source, detail_type, detail, due_at)
VALUES ('ann', 'a', 'collections.embedder', 'ItemReady', '{}', now() - interval '60 minutes');
INSERT INTO dead_letters (message_id, function, reason, error, payload) VALUES ('m', 'dispatcher', 'r', 'e', '{}');
"""
NO_MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:collections-dev-backfill"
Break = Callable[[Operator], Any]
# What is broken, and the check and the words by which it is named.
OUTSIDE: list[tuple[Break, str, str]] = [
    (
        lambda it: client(it, "s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={}
        ),
        "bucket",
        "does not send its events to EventBridge",
    ),
    (
        lambda it: client(it, "events").disable_rule(Name="collections-dev-sweeper-event"),
        "rule of collections-dev-sweeper",
        "the rule collections-dev-sweeper-event is disabled",
    ),
    (
        lambda it: client(it, "events").remove_targets(Rule="collections-dev-relay-event", Ids=["1"]),
        "rule of collections-dev-relay",
        "no rule has collections-dev-relay as its target",
    ),
    (
        lambda it: forbid(it, "collections-dev-dispatcher"),
        "rule of collections-dev-dispatcher",
        "EventBridge may not call",
    ),
    (
        lambda it: client(it, "lambda").update_function_configuration(
            FunctionName="collections-dev-AnalyzerLambda", Timeout=600
        ),
        "function collections-dev-AnalyzerLambda",
        "its Timeout is 600, configured is 120",
    ),
    (
        lambda it: client(it, "lambda").delete_function(FunctionName="collections-dev-dead_letters"),
        "function collections-dev-dead_letters",
        "it is not there",
    ),
    (
        lambda it: client(it, "iam").delete_role_policy(
            RoleName="collections-dev-EmbedderLambda", PolicyName="collections-dev-EmbedderLambda"
        ),
        "rights of collections-dev-EmbedderLambda",
        "lacks the statements GetObject, Publish, AskModels, Consume, Queue, Log, Settings",
    ),
    (
        lambda it: set_mapping(it, "process", Enabled=False),
        "consumer of collections-dev-process",
        "takes no messages: the mapping is Disabled",
    ),
    (
        lambda it: client(it, "sqs").delete_queue(QueueUrl=queue_url(it, "embed")),
        "queue collections-dev-embed",
        "it is not there",
    ),
    (
        lambda it: client(it, "lambda").delete_function_event_invoke_config(
            FunctionName="collections-dev-sweeper"
        ),
        "failures of collections-dev-sweeper",
        "do not go to collections-dev-dead-letters",
    ),
    (
        lambda it: it.stage.put("/collections", CORS_ORIGINS="a.example"),
        "setting CORS_ORIGINS",
        "the app refuses it: CORS_ORIGINS: must be",
    ),
    (
        lambda it: client(it, "ssm").delete_parameter(Name="/collections/SESSION_SECRET"),
        "setting SESSION_SECRET",
        "/collections/SESSION_SECRET is not set",
    ),
    (
        lambda it: it.stage.put(
            "/collections", OPENAI_API_KEY="/aws/reference/secretsmanager/collections/none"
        ),
        "setting OPENAI_API_KEY",
        "refers to a secret that is not there",
    ),
    (
        lambda it: it.stage.put("/collections", BACKFILL_STATE_MACHINE=NO_MACHINE),
        "backfill",
        "collections-dev-backfill is not there",
    ),
    (
        lambda it: setattr(it.stage.aws.emulator, "concurrency", 10),
        "concurrency",
        "10 functions may run at once",
    ),
    (
        lambda it: client(it, "dynamodb").delete_table(TableName="collections-sessions-dev"),
        "dynamodb (seen from inside)",
        "dynamodb",
    ),
    (lambda it: execute(it.url, LATE_TASK), "oldest work (seen from inside)", "waited for 50 minutes"),
    (lambda it: None, "sweeper (seen from inside)", "a lease is over for 40 minutes"),
    (lambda it: None, "relay (seen from inside)", "an event is due for 60 minutes"),
    (lambda it: None, "dead letters (seen from inside)", "1 that nobody has dealt with"),
    (lambda it: None, "workflow (seen from inside)", "sweeper_is_late"),
    (lambda it: None, "queue embed (seen from inside)", "queue"),
    (lambda it: None, "health", "workflow: sweeper_is_late"),
]
SCHEMA: list[tuple[Break, str, str]] = [
    (
        lambda it: execute(it.url, "DELETE FROM schema_migrations WHERE name LIKE '0010%'"),
        "migrations (seen from inside)",
        "missing: 0010_audit",
    ),
    (
        lambda it: execute(it.url, "DROP EXTENSION vector CASCADE"),
        "pgvector (seen from inside)",
        "the extension vector is not there",
    ),
]


def client(it: Operator, service: str) -> Any:
    return it.stage.client(service)


def queue_url(it: Operator, queue: str) -> str:
    return str(client(it, "sqs").get_queue_url(QueueName=f"collections-dev-{queue}")["QueueUrl"])


def set_mapping(it: Operator, queue: str, **changes: Any) -> None:
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:collections-dev-{queue}"
    found = client(it, "lambda").list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    client(it, "lambda").update_event_source_mapping(UUID=found[0]["UUID"], **changes)


def forbid(it: Operator, function: str) -> None:
    policy = json.loads(client(it, "lambda").get_policy(FunctionName=function)["Policy"])
    for statement in policy["Statement"]:
        client(it, "lambda").remove_permission(FunctionName=function, StatementId=statement["Sid"])


class Forbidden:
    """A service that these credentials may not ask."""

    def __getattr__(self, name: str) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, name)


def ask(operator: Operator, *, ahead_s: float = 0, forbidden: str = "") -> list[Finding]:
    def client_of(service: str) -> Any:
        return Forbidden() if service == forbidden else client(operator, service)

    return list(examine(Stage(name="dev", client=client_of, now=lambda: time.time() + ahead_s)))


def unknown(found: list[Finding]) -> set[str]:
    return {each.check for each in found if each.state == "unknown"}


def unwell(found: list[Finding]) -> dict[str, str]:
    return {each.check: each.found for each in found if each.state == "wrong"}


def assert_named(broken: list[tuple[Break, str, str]], operator: Operator) -> list[Finding]:
    for break_it, _, _ in broken:
        break_it(operator)
    found = ask(operator)
    named = unwell(found)
    for _, check, words in broken:
        assert words in named.get(check, ""), f"{check}: {named.get(check)}"
    assert all(each.mend for each in found if each.state == "wrong")
    return found


def test_the_doctor_names_what_is_broken_and_nothing_else(operator: Operator) -> None:
    code, printed, errors = operator.run("doctor", "--stage", "dev", "--json")
    told = json.loads(printed)
    assert (code, told["healthy"], errors) == (0, True, ""), printed
    assert {each["state"] for each in told["findings"]} == {"ok"}

    assert "s behind" in unwell(ask(operator, ahead_s=-400))["clock"]
    assert unknown(ask(operator, forbidden="iam")) == {"roles"}

    found = assert_named(OUTSIDE, operator)
    assert unwell(found).keys() == {check for _, check, _ in OUTSIDE}
    assert unknown(found) == {"consumer of collections-dev-dead-letters"}
    code, printed, _ = operator.run("doctor", "--stage", "dev")
    assert code == 1 and "WRONG  bucket: " in printed and "mend it: aws s3api put-bucket-not" in printed

    assert_named(SCHEMA, operator)
    name = operator.url.rpartition("/")[2]
    execute(operator.url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="postgres")
    said = unwell(ask(operator))
    assert "nobody answers there, or the password is another" in said["owner (seen from inside)"]


def test_without_a_stack_or_credentials_nothing_is_judged() -> None:
    somebody = shell({"AWS_DEFAULT_REGION": "us-east-1"})
    code, printed, errors = run_collections("doctor", "--port", "9", environment=somebody)
    assert (code, printed) == (3, "") and "make run" in errors
    somebody |= {"AWS_EC2_METADATA_DISABLED": "true"}
    code, printed, errors = run_collections("doctor", "--stage", "dev", environment=somebody)
    assert (code, printed) == (3, "") and "no AWS credentials" in errors
    somebody |= {"PROJECT_PYTHON": "/nonexistent/python"}
    code, printed, errors = run_collections("doctor", environment=somebody)
    assert (code, printed) == (3, "") and "make setup" in errors


@pytest.mark.parametrize(
    "command", [(), ("doctor",), ("params",), ("params", "push"), ("params", "list"), ("costs",)]
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*command, "--help"])
    assert told.exit_code == 0 and told.output.startswith("Usage: ") and len(told.output) > 150
