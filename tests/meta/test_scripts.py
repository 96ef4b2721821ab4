"""deploy/*.sh as people and machines run them: at a terminal, without one, and with something missing."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import base
from deploy.policies import ROOT
from local.layout import aws_environment
from tests.support.emulated import Emulated, emulated_aws, install_change_sets

SECRET = "sk-ant-of-the-tests-0123456789"


class Scripts:
    def __init__(self, aws: Emulated) -> None:
        self.aws = aws
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.environment |= aws_environment(aws.emulator.port)

    def run(self, script: str, *flags: str, **variables: str | None) -> tuple[int, str]:
        """Run a script without a terminal. Return its exit code and all that it printed."""
        environment: dict[str, Any] = {**self.environment, **variables}
        ran = subprocess.run(
            [ROOT / "deploy" / script, *flags],
            env={name: value for name, value in environment.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    def at_terminal(self, script: str, *flags: str, answers: str) -> tuple[int, str]:
        """Run a script at a terminal at which somebody types an answer, a line, to each question."""
        mine, its = pty.openpty()
        lines = iter(answers.splitlines(keepends=True))
        ran = subprocess.Popen(
            [ROOT / "deploy" / script, *flags],
            env=self.environment,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        printed = b""
        try:
            while chunk := os.read(mine, 4096):
                printed += chunk
                if printed.endswith(b": "):
                    os.write(mine, next(lines, "\x04").encode())
        except OSError:  # the other end is closed: the script has ended
            pass
        os.close(mine)
        return ran.wait(), printed.decode()

    def stored(self, path: str) -> dict[str, str]:
        found = self.aws.client("ssm").get_parameters_by_path(Path=path, WithDecryption=True)["Parameters"]
        return {each["Name"].rpartition("/")[2]: each["Value"] for each in found}


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    install_change_sets()
    with emulated_aws(tmp_path) as aws:
        yield Scripts(aws)


@pytest.mark.parametrize("script", ["deploy.sh", "update-parameters.sh", "destroy.sh"])
@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "there are no AWS credentials"),
        ({"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "no region is chosen"),
    ],
)
def test_what_is_missing_is_said_in_plain_words(
    scripts: Scripts, script: str, missing: dict[str, None], words: str
) -> None:
    code, printed = scripts.run(script, "--stage", "dev", **missing)
    assert code == 1 and printed.startswith(f"Stopped: {words}"), printed
    assert "Traceback" not in printed


def test_a_region_may_also_be_named_as_the_aws_command_line_has_it(scripts: Scripts) -> None:
    code, printed = scripts.run("update-parameters.sh", "--stage", "dev", "--list", AWS_DEFAULT_REGION=None)
    assert (code, printed) == (0, "nothing is set\n")


def test_an_environment_that_was_not_made_is_said(scripts: Scripts) -> None:
    code, printed = scripts.run("deploy.sh", PROJECT_PYTHON="/nonexistent/python")
    assert (code, "make setup" in printed) == (1, True)


def test_settings_are_written_by_flags_and_listed_without_their_values(scripts: Scripts) -> None:
    code, printed = scripts.run(
        "update-parameters.sh",
        *("--set", "CORS_ORIGINS=https://a.example", "--from-env", "ANTHROPIC_API_KEY"),
        *("--set", "MIGRATION_DATABASE_URL=postgresql://owner:pw@db/c"),
        ANTHROPIC_API_KEY=SECRET,
    )
    assert code == 0 and SECRET not in printed
    assert scripts.stored("/collections") == {
        "CORS_ORIGINS": "https://a.example",
        "ANTHROPIC_API_KEY": SECRET,
    }
    assert scripts.stored("/collections-dev-operate") == {
        "MIGRATION_DATABASE_URL": "postgresql://owner:pw@db/c"
    }
    code, printed = scripts.run("update-parameters.sh", "--list")
    assert printed.split() == ["ANTHROPIC_API_KEY", "CORS_ORIGINS", "MIGRATION_DATABASE_URL"]


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("CORS_ORIGIN=https://a.example", "CORS_ORIGIN is no setting of this app"),
        ("CORS_ORIGINS=a.example", "CORS_ORIGINS: must be"),
        ("SESSION_SECRET=short", "SESSION_SECRET: must be set, to at least 32"),
        ("UPSTREAM_USER_SERVICE_URL=ftp://x", "UPSTREAM_USER_SERVICE_URL: must be http"),
        ("MAIL_FROM=a@example.org", "MAIL_FROM stands in .chalice/config.json"),
        ("CORS_ORIGINS", "give it as NAME=value"),
    ],
)
def test_a_wrong_setting_is_refused_before_it_is_written(scripts: Scripts, flag: str, words: str) -> None:
    code, printed = scripts.run(
        "update-parameters.sh", "--set", "CONSOLE_URL=https://a.example", "--set", flag
    )
    assert code == 1 and words in printed
    assert scripts.stored("/collections") == {}


def test_a_person_is_asked_and_what_is_secret_is_not_shown(scripts: Scripts) -> None:
    answers = f"postgresql://owner:hunter22@db/c\n{SECRET}\n\n\nhttps://a.example\n"
    code, printed = scripts.at_terminal("update-parameters.sh", "--stage", "staging", answers=answers)
    assert code == 0, printed
    assert scripts.stored("/collections-staging") == {
        "ANTHROPIC_API_KEY": SECRET,
        "CORS_ORIGINS": "https://a.example",
    }
    assert scripts.stored("/collections-staging-operate")["MIGRATION_DATABASE_URL"].endswith("hunter22@db/c")


def test_a_dry_run_shows_what_would_be_made_and_makes_nothing(scripts: Scripts) -> None:
    code, printed = scripts.run("deploy.sh", "--stage", "dev", "--network", "new", "--dry-run")
    assert code == 0 and "Add ImagesBucket (AWS::S3::Bucket)" in printed and "nothing was done" in printed
    names = [each["Name"] for each in scripts.aws.client("s3").list_buckets()["Buckets"]]
    assert "collections-images-dev-000000000000" not in names
    assert scripts.stored("/collections") == {}
    with pytest.raises(base.NotDeployed):
        base.outputs(scripts.aws.client("cloudformation"), "dev")


def test_a_stage_without_a_database_is_told_where_one_comes_from(scripts: Scripts) -> None:
    code, printed = scripts.run("deploy.sh", "--stage", "dev")
    assert code == 1 and "give MIGRATION_DATABASE_URL" in printed and "--database rds" in printed


def test_one_stage_is_not_deployed_in_two_ways(scripts: Scripts) -> None:
    scripts.run("update-parameters.sh", "--set", "MIGRATION_DATABASE_URL=postgresql://owner:pw@db/c")
    app = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    scripts.aws.client("cloudformation").create_stack(StackName="collections-dev", TemplateBody=app)
    code, printed = scripts.run("deploy.sh", "--stage", "dev", "--by", "chalice")
    assert code == 1 and "deployed by CloudFormation, and the names would collide" in printed
    code, printed = scripts.run("deploy.sh", "--stage", "dev", CODE_BUCKET=None)
    assert code == 1 and "--code-bucket" in printed


def test_a_person_who_deploys_is_asked_for_the_network(scripts: Scripts) -> None:
    ec2 = scripts.aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    code, printed = scripts.at_terminal("deploy.sh", answers=f"{vpc}\n{subnet}\n\n")
    assert code == 1 and "the stage has no database" in printed
    assert base.outputs(scripts.aws.client("cloudformation"), "dev")["SubnetIds"] == subnet


def test_a_stage_is_deleted_only_when_its_name_is_typed(scripts: Scripts) -> None:
    scripts.run("deploy.sh", "--stage", "dev")
    cloudformation = scripts.aws.client("cloudformation")
    for code, printed in (
        scripts.run("destroy.sh", "--stage", "dev"),
        scripts.run("destroy.sh", "--stage", "dev", "--confirm", "staging"),
        scripts.at_terminal("destroy.sh", "--stage", "dev", answers="yes\n"),
    ):
        assert code == 1 and "nothing was deleted" in printed
        assert "not the users' files: collections-images-dev-000000000000 stays" in printed
        assert base.outputs(cloudformation, "dev")
    code, printed = scripts.at_terminal("destroy.sh", "--stage", "dev", "--delete-files", answers="dev\n")
    assert code == 0 and "all users' files in collections-images-dev" in printed
    with pytest.raises(base.NotDeployed):
        base.outputs(cloudformation, "dev")
    assert scripts.stored("/collections") == {}
    code, printed = scripts.run("destroy.sh", "--stage", "dev", "--confirm", "dev")
    assert code == 1 and "there is nothing to delete" in printed


def test_a_rollback_shows_what_it_takes_back(scripts: Scripts) -> None:
    code, printed = scripts.run("rollback.sh", "--stage", "dev", "--to", "HEAD", "--dry-run")
    assert (code, printed.strip()) == (0, "nothing lies between")
    code, printed = scripts.run("rollback.sh", "--stage", "dev", "--to", "no-such-tag")
    assert code == 1 and printed.startswith("Stopped: git rev-parse")
