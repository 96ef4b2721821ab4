"""Commands as the documentation has them: whether their program, its flags and the names in them are there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import click
from botocore import xform_name

from chalicelib.events.operating import COMMANDS
from cli.__main__ import main
from deploy.policies import CONSUMERS, FUNCTIONS, STAGES, lambda_name, queue_name, table_name

PROJECT = Path(__file__).resolve().parents[2]
# Of the AWS command line, not of its API.
OWN_COMMANDS = {("logs", "tail"), ("s3", "cp"), ("rds", "wait"), ("cloudformation", "package")}
CLI_FLAGS = {"query", "output", "max_items"}
NAMES = {
    *(lambda_name(function, "dev") for function in FUNCTIONS),
    *(queue_name("dev", queue) for queue in CONSUMERS),
    *(table_name("dev", table) for table in ("sessions", "rate-limits")),
    *(f"collections-dev-{function}-event" for function in ("dispatcher", "relay", "sweeper")),
    *("collections-base-dev", "collections-images-dev-"),
}
OPERATED = re.compile(
    r"""^echo '\{"command": "([a-z-]+)".*\}' \| chalice invoke --stage (\w+) --name operate$"""
)
PROGRAMS = {"aws", "curl", "psql", "python3", "chalice", "make"}


def commands_of(page: str) -> Iterator[str]:
    """Yield the commands of a page: lines of its shell blocks, and code in it that begins with a program of ours."""
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.DOTALL):
        for line in block.splitlines():
            bare = re.sub(r"^(?:export )?[A-Z_]+=\$\((.*)\)$", r"\1", line.partition("  #")[0].strip())
            if bare and not re.match(r"^(?:export )?[A-Z_]+=", bare):
                yield bare
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.DOTALL)):
        if (
            re.match(r"(?:aws|curl|psql) |\./collections|(?:\./)?deploy/[a-z-]+\.sh", code)
            and "…" not in code
        ):
            yield code


def mistakes(command: str) -> list[str]:
    """Return what is not there of a command's program, flags and names."""
    operated = OPERATED.match(command)
    if operated:
        is_known = operated[1] in COMMANDS and operated[2] in STAGES
        return [] if is_known else [f"the operating function has no {operated[1]}"]
    words = shlex.split(command)
    program = words[0].removeprefix("./")
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    if program == "aws":
        wrong = _unknown_to_aws(words, flags)
    elif program == "collections":
        wrong = _unknown_to_click(words[1:], flags)
    elif program.startswith("deploy/"):
        wrong = sorted(flag for flag in flags if flag not in _help(program))
    else:
        wrong = [] if program in PROGRAMS else [f"{program} is no program of ours"]
    named = re.findall(r"collections-(?:dev|base|images|sessions|rate-limits)[\w-]*", command)
    files = re.findall(r"fileb?://(?!/dev/)(\S+)", command)
    return [
        *wrong,
        *(name for name in named if name not in NAMES and not name.startswith("collections-dev-drill")),
        *(name for name in files if not (PROJECT / name).exists()),
    ]


def _unknown_to_aws(words: list[str], flags: set[str]) -> list[str]:
    if tuple(words[1:3]) in OWN_COMMANDS:
        return []
    model = _model(words[1].replace("s3api", "s3"))
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if words[2] not in names:
        return [f"aws {words[1]} has no {words[2]}"]
    shape = model.operation_model(names[words[2]]).input_shape
    known = {xform_name(member) for member in (shape.members if shape else ())} | CLI_FLAGS
    given = {flag[2:].replace("-", "_") for flag in flags}
    return sorted(flag for flag in given if flag.removeprefix("no_") not in known | {"multi_az"})


def _unknown_to_click(words: list[str], flags: set[str]) -> list[str]:
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            return [f"./collections has no {words[0]}"]
        command, words = found, words[1:]
    known = {option for each in command.params for option in each.opts} | {"--help"}
    return sorted(flags - known)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@cache
def _help(program: str) -> str:
    script = PROJECT / program
    if not os.access(script, os.X_OK):
        return ""
    environment = {"PATH": os.environ["PATH"], "PROJECT_PYTHON": sys.executable}
    return subprocess.run(
        [script, "--help"], env=environment, capture_output=True, text=True, check=True
    ).stdout
