"""`./collections params`: a .env file goes into Parameter Store, checked, and nobody sees a value."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.__main__ import main
from local.layout import aws_environment
from tests.cli.conftest import run_collections, shell
from tests.support.emulated import Emulated, emulated_aws

SECRET = "sk-ant-of-the-tests-0123456789"
FILE = f"""# of the stage dev
export ANTHROPIC_API_KEY="{SECRET}"
CORS_ORIGINS = https://a.example
MIGRATION_DATABASE_URL=postgresql://owner:hunter22@db/c?sslmode=require
"""
Push = Callable[..., tuple[int, str]]


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as found:
        yield found


@pytest.fixture
def push(aws: Emulated, tmp_path: Path) -> Push:
    """Write a .env file and push it, in its folder. Return the exit code and all that is printed."""

    def run(text: str, *flags: str, action: str = "push") -> tuple[int, str]:
        (tmp_path / "dev.env").write_text(text)
        arguments = ("params", action, *(["dev.env"] if action == "push" else []), *flags)
        environment = shell(aws_environment(aws.emulator.port))
        code, printed, errors = run_collections(*arguments, environment=environment, cwd=tmp_path)
        return code, printed + errors

    return run


def stored(aws: Emulated, path: str) -> dict[str, Any]:
    found = aws.client("ssm").get_parameters_by_path(Path=path, WithDecryption=True)["Parameters"]
    return {each["Name"].rpartition("/")[2]: (each["Type"], each["Value"], each["Version"]) for each in found}


def test_a_file_is_pushed_as_secure_strings_each_to_its_reader_and_once(push: Push, aws: Emulated) -> None:
    code, printed = push(FILE, "--dry-run")
    assert code == 0 and printed.splitlines() == [
        "would write: /collections/ANTHROPIC_API_KEY",
        "would write: /collections/CORS_ORIGINS",
        "would write: /collections-dev-operate/MIGRATION_DATABASE_URL",
    ]
    assert stored(aws, "/collections") == {}
    code, printed = push(FILE)
    assert code == 0 and SECRET not in printed and "hunter22" not in printed
    assert stored(aws, "/collections") == {
        "ANTHROPIC_API_KEY": ("SecureString", SECRET, 1),
        "CORS_ORIGINS": ("SecureString", "https://a.example", 1),
    }
    assert stored(aws, "/collections-dev-operate")["MIGRATION_DATABASE_URL"][1].endswith("?sslmode=require")
    _, printed = push(FILE.replace("a.example", "b.example"))
    assert "unchanged: /collections/ANTHROPIC_API_KEY" in printed
    assert stored(aws, "/collections")["ANTHROPIC_API_KEY"][2] == 1
    assert stored(aws, "/collections")["CORS_ORIGINS"][1:] == ("https://b.example", 2)
    assert push("", action="list")[1].split() == [
        "ANTHROPIC_API_KEY",
        "CORS_ORIGINS",
        "MIGRATION_DATABASE_URL",
    ]
    assert push("", "--stage", "staging", action="list") == (0, "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("CORS_ORIGIN=x\nMORE=y", "CORS_ORIGIN, MORE are no settings of this app"),
        ("CORS_ORIGINS=a.example", "CORS_ORIGINS: must be"),
        ("SESSION_SECRET=short", "SESSION_SECRET: must be set, to at least 32"),
        ("AWS_ENDPOINT_URL=http://127.0.0.1:8001", "AWS_ENDPOINT_URL is no setting of this app"),
        ("OPENAI_API_KEY=", "OPENAI_API_KEY: is empty"),
        (
            f"OPENAI_API_KEY={'x' * 4097}",
            "OPENAI_API_KEY: has more than 4096 bytes. Keep it in Secrets Manager",
        ),
        ("hunter22", "dev.env, line 5: must be NAME=value"),
        ("MAIL_FROM=a@example.org", "MAIL_FROM stands in .chalice/config.json"),
    ],
)
def test_a_wrong_file_is_refused_by_name_before_anything_is_written(
    aws: Emulated, tmp_path: Path, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws_environment(aws.emulator.port).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dev.env").write_text(FILE + line + "\n")
    told = CliRunner().invoke(main, ["params", "push", str(tmp_path / "dev.env")])
    assert told.exit_code == 1 and told.output.startswith("Stopped: ") and words in told.output
    assert "hunter22" not in told.output and SECRET not in told.output
    assert stored(aws, "/collections") == {}
