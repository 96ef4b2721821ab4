"""A rehearsed deployment: a copy of the project, an emulated account, and what its user does with both."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib import settings
from deploy.policies import lambda_name
from local.aws import Emulator
from local.base import client
from local.heard_calls import HeardCalls
from local.layout import Ports, aws_environment

# The access key by which the emulator knows the commands of the user who deploys.
DEPLOYER = "deployer"
VERSION = f'VERSION = "{settings.VERSION}"'


class Failed(Exception):
    """A step did not do what it should."""


class Rehearsal:
    """A copy of the project, and an emulated account in which it is deployed."""

    def __init__(
        self, copy: Path, ports: Ports, emulator: Emulator, deployer: HeardCalls, more: Mapping[str, str]
    ) -> None:
        self._copy = copy
        self.ports = ports
        self._started_at = time.monotonic()
        self.emulator = emulator
        self.deployer = deployer
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LAMBDA_PYTHON") if name in os.environ},
            **aws_environment(ports.aws),
            "AWS_ACCESS_KEY_ID": DEPLOYER,
            "PROJECT_PYTHON": sys.executable,
            **more,
        }

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._started_at:5.1f} s] {line}", flush=True)

    def aws(self, service: str) -> Any:
        return client(service, self.ports.aws)

    def run(self, *command: str, stdin: str = "", shown: str = "") -> str:
        """Run a command in the copy, as its user would. Return what it prints; raise Failed if it fails.

        With `shown`, that stands for the command, and what it prints is not shown.
        """
        plain = " ".join(part if "://" not in part else part.partition("=")[0] + "=…" for part in command)
        self.say(f"$ {shown or plain}")
        ran = subprocess.run(
            command,
            cwd=self._copy,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        for line in ran.stdout.splitlines() if not shown else ():
            self.say(f"    {line}")
        if ran.returncode:
            raise Failed(f"{command[0]} failed: {ran.stderr.strip()[-3000:]}")
        return ran.stdout

    def release(self, version: str) -> None:
        """Commit a release that differs in its version alone."""
        settings = next(
            path for path in self._copy.glob("chalicelib/settings/*.py") if VERSION in path.read_text()
        )
        settings.write_text(settings.read_text().replace(VERSION, f'VERSION = "{version}"'))
        commit(self._copy, f"Release {version}")

    def operate(self, stage: str, command: str, email: str) -> str:
        """Run the operating function, by `chalice invoke` where Chalice has deployed it. Return what it prints."""
        asked = {"command": command, "email": email}
        if not (self._copy / ".chalice" / "deployed" / f"{stage}.json").exists():
            self.say(f"$ aws lambda invoke --function-name {lambda_name('operate', stage)} ...")
            return str(self._invoke("operate", stage, asked)["printed"])
        python = str(self._copy / ".venv-package" / "bin" / "python")
        chalice = [python, "-c", "from chalice.cli import main; main()"]
        flags = ["invoke", "--stage", stage, "--name", "operate"]
        shown = f"echo '{json.dumps(asked)}' | chalice {' '.join(flags)}"
        printed = self.run(*chalice, *flags, stdin=json.dumps(asked), shown=shown)
        return str(json.loads(printed)["printed"])

    def _invoke(self, function: str, stage: str, event: Any) -> Any:
        answer = self.aws("lambda").invoke(
            FunctionName=lambda_name(function, stage), Payload=json.dumps(event)
        )
        found = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise Failed(f"{function}: {found}")
        return found

    def call(self, stage: str, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Send the deployed API function a request of an HTTP API; return the body. Raise Failed for an error."""
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {token}"} if token else {}
        )
        http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": headers,
            "requestContext": {"http": http, "requestId": "rehearsal"},
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        found = self._invoke("api_handler", stage, event)
        if found["statusCode"] >= 400:
            raise Failed(f"{method} {path}: {found}")
        return json.loads(found["body"] or "null")


def commit(copy: Path, message: str) -> None:
    """Commit all files of the copy, as somebody who is nobody."""
    who = (
        "-c",
        "user.name=rehearsal",
        "-c",
        "user.email=rehearsal@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    for command in (("add", "--all"), (*who, "commit", "--quiet", "--no-verify", "-m", message)):
        subprocess.run(["git", "-C", str(copy), *command], check=True)


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)
