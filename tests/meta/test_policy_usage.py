"""Each function may do what it does, and nothing else.

All that the functions of app.py can do is done once, in stage local, and recorded. A route, a function
or an AWS operation that is forgotten here fails the test.
"""

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.model.ingest import files
from chalicelib.model.work.tasks import QUEUES
from chalicelib.ops.jobs import backfill_steps
from deploy.policies import CONFIG, DEAD_LETTERS, FUNCTIONS, OWN_ACCOUNT, ROOT, STAGES, policy
from local.layout import ACCOUNT
from tests.meta.every_use import CONSOLE, use_api, use_hand_made_events, use_pipeline, use_what_heals
from tests.support.distributed_map import ARN
from tests.support.mailbox import SENDER
from tests.support.recording import OPERATIONS, Call, Recorded, Recorder
from tests.support.secrets_told import kept_by
from tests.support.upstreams import raw_upstream
from tests.support.world import World

# Allowed and never recorded: Lambda writes logs, makes network interfaces, polls the queue and sends failures to it in
# the function's name; X-Ray's daemon sends traces; stage local, in which this is recorded, has no Parameter Store and
# asks no model of Bedrock (tests/models does).
UNRECORDED = {
    "bedrock:InvokeModel",
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"),
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    "sqs:GetQueueUrl",  # asked once a process, by whichever function needs it first
    *(
        "ssm:GetParameter",
        "ssm:GetParametersByPath",
        "ssm:PutParameter",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
    ),
}
# An embedder that sees pictures has the most to read.
SEEING = {
    **{"VOYAGE_API_KEY": "key of the tests", "EMBEDDING_PROVIDER": "voyage"},
    **{"EMBEDDING_MODEL": "voyage-multimodal-3.5", "EMBEDDING_DIMENSIONS": "256"},
}
# Which no request ever sends.
KEYS = (SEEING["VOYAGE_API_KEY"], "of-the-tests-and-known-to-everybody")
POLLING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
# What Lambda asks of the dead letters' queue in a function's name when an event's attempts are used up.
GIVING_UP = Call("sqs:SendMessage", f"arn:aws:sqs:*:*:collections-*-{DEAD_LETTERS}")


@pytest.fixture
def recorded(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setenv("REGISTRATION_OPEN", "true")
    # A stage that sends mail says so in its configuration; the ones that are committed send none yet.
    for name, value in (("MAIL_FROM", SENDER), ("CONSOLE_URL", CONSOLE), ("VERIFY_EMAIL", "true")):
        monkeypatch.setenv(name, value)
    for name, value in SEEING.items():
        monkeypatch.setenv(name, value)
    for stage in STAGES:
        monkeypatch.setitem(CONFIG["stages"][stage]["environment_variables"], "MAIL_FROM", SENDER)
    world.aws.client("sesv2").create_email_identity(EmailIdentity="example.org")
    monkeypatch.setattr(files, "PARTS_ABOVE_BYTES", 9)
    monkeypatch.setenv("BACKFILL_STATE_MACHINE", ARN)
    monkeypatch.setattr(backfill_steps, "MAP_FROM", 1)
    boto3.setup_default_session()
    recorder = Recorder()
    recorder.watch(boto3.DEFAULT_SESSION)
    app.edge.cache_clear()
    wiring.upstreams.forget()
    with raw_upstream() as upstream:
        monkeypatch.setenv("UPSTREAM_PRODUCT_SERVICE_URL", upstream.url)
        yield Recorded(
            db=world.db,
            admin_url=world.admin_url,
            aws=world.aws,
            providers=world.providers,
            recorder=recorder,
            client=Client(app.app, project_dir=str(tmp_path)),  # no .chalice in it to replace the settings
        )
    wiring.upstreams.forget()
    boto3.setup_default_session()


def test_each_function_may_do_what_it_does_and_nothing_else(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    wiring.forget_all()
    for use in (use_pipeline, use_hand_made_events, use_api, use_what_heals):
        use(recorded)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", recorded.admin_url)
    recorded.invoke("operate", {"command": "doctor"})
    assert_no_secret_was_told(recorded, str(capsys.readouterr()))
    recorder = recorded.recorder
    assert recorder.strange == set(), "add it to tests.support.recording.OPERATIONS with what IAM asks for it"
    assert recorder.operations == set(OPERATIONS) == operations_in_the_code(recorded)
    for stage in STAGES:
        named = {
            function: {
                one_queue(call._replace(resource=call.resource.replace("-local", f"-{stage}")))
                for call in calls
            }
            for function, calls in recorder.calls.items()
        }
        allowed = {function: grants(function, stage) for function in FUNCTIONS}
        assert {f: calls for f in FUNCTIONS if (calls := refused(named[f], allowed[f]))} == {}
        assert {f: extra for f in FUNCTIONS if (extra := unused(named[f], allowed[f]))} == {}


def assert_no_secret_was_told(recorded: Recorded, logged: str) -> None:
    """Fail if a log, a row, an object, a message or another route's answer has a secret of the run that was done."""
    kept = kept_by(recorded) | {"log": logged}
    given = recorded.secrets | dict.fromkeys(KEYS, "")
    assert set(given.values()) >= {
        "/api/v1/sessions",
        "/api/v1/api-keys",
        "/api/v1/webhooks",
        "/api/v1/accounts",
        "/api/v1/password",
    }
    for secret, first in given.items():
        assert [place for place, text in kept.items() if secret in text] == [], f"of {first}"
        assert {route for route, body in recorded.answers if secret in body} <= {first}, f"of {first}"


def operations_in_the_code(world: World) -> set[tuple[str, str]]:
    """Return the calls of AWS in the code: by name, in modules that import botocore or its translated errors."""
    assembly = "".join(path.read_text() for path in (ROOT / "chalicelib" / "wiring").glob("*.py"))
    services = set(re.findall(r'client\("(\w+)"\)', assembly))
    services.remove("ssm")  # stage local has no Parameter Store
    sources = [path.read_text() for path in (ROOT / "chalicelib").rglob("*.py")]
    of_aws = re.compile(r"^from (botocore\.exceptions|chalicelib\.stores\.aws\.(aws|s3)_errors) import", re.MULTILINE)
    trees = [ast.parse(source) for source in sources if of_aws.search(source)]
    called = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called |= {"upload_part"}  # only ever presigned, by its name
    names = {service: world.aws.client(service).meta.method_to_api_mapping for service in services}
    found = {(service, names[service][name]) for service in services for name in called & set(names[service])}
    return found | ({("s3", "PostObject")} if "generate_presigned_post" in called else set())


def grants(function: str, stage: str) -> set[Call]:
    """Return every combination of action, resource pattern and event source that its policy allows, but UNRECORDED."""
    found = set()
    for statement in policy(function, stage)["Statement"]:
        polling = POLLING if statement["Sid"] == "Consume" else set()
        actions = set(statement["Action"]) - UNRECORDED - polling
        sources = allowed_sources(statement) if actions else []
        patterns = [resource.replace(OWN_ACCOUNT, ACCOUNT) for resource in statement["Resource"]]
        found |= {Call(*grant) for grant in itertools.product(actions, patterns, sources)}
    return {one_queue(grant) for grant in found if not covers(GIVING_UP, grant)}


def one_queue(call: Call) -> Call:
    """Return the call on any queue of work as one on the first: a function wakes whatever its user's tasks wait for."""
    return call._replace(resource=re.sub(rf"-({'|'.join(QUEUES)})$", f"-{QUEUES[0]}", call.resource))


def allowed_sources(statement: dict[str, Any]) -> list[str]:
    if "Condition" not in statement:
        return ["*"]
    if statement["Condition"].keys() == {"StringEquals"}:
        return [statement["Condition"]["StringEquals"]["ses:FromAddress"]]
    sources: list[str] = statement["Condition"]["ForAllValues:StringEquals"]["events:source"]
    one_at_least = {"Null": {"events:source": "false"}}
    assert statement["Condition"] == one_at_least | {
        "ForAllValues:StringEquals": {"events:source": sources}
    }, "a condition this test cannot judge"
    return sources


def covers(grant: Call, call: Call) -> bool:
    return all(fnmatchcase(asked, allowed) for asked, allowed in zip(call, grant, strict=True))


def refused(calls: Iterable[Call], allowed: Iterable[Call]) -> list[Call]:
    return sorted(call for call in calls if not any(covers(grant, call) for grant in allowed))


def unused(calls: Iterable[Call], allowed: Iterable[Call]) -> list[Call]:
    return sorted(grant for grant in allowed if not any(covers(grant, call) for call in calls))


def test_one_permission_too_few_and_one_too_many_are_found() -> None:
    allowed = grants("EmbedderLambda", "local")
    needed = min(allowed)
    assert (refused(allowed, allowed), unused(allowed, allowed)) == ([], [])
    assert refused(allowed, allowed - {needed}) == [needed]
    for extra in (Call("s3:PutObject", "*"), needed._replace(source="collections.other")):
        assert unused(allowed, allowed | {extra}) == [extra]
