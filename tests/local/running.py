"""The stack of `make run` in processes of its own, and the README's blocks for it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3

from local.layout import Ports, aws_environment
from tests.support.databases import rows

PROJECT = Path(__file__).resolve().parents[2]
ADDRESS = r"http://127.0.0.1:\d+ +Ctrl-C"


@dataclass(frozen=True)
class Running:
    ports: Ports
    state: Path
    printed: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"

    def get(self, path: str) -> Any:
        return json.load(urlopen(self.url + path, timeout=60))

    def client(self, service: str) -> Any:
        variables = aws_environment(self.ports.aws)
        return boto3.client(
            service,
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return rows(f"postgresql://postgres@127.0.0.1:{self.ports.postgres}/collections", statement)


@dataclass(frozen=True)
class Block:
    """A block of the README, and what it says that the block prints; a line … is any lines, also none."""

    code: str
    shown: str


def readme() -> list[Block]:
    blocks: list[Block] = []
    for kind, text in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", (PROJECT / "README.md").read_text(), re.M):
        if kind == "text":
            blocks[-1] = Block(blocks[-1].code, text)
        else:
            assert kind == "sh", f"a block that no test runs: {text}"
            blocks.append(Block(text, "…"))
    return blocks


def assert_shown(shown: str, printed: str, stack: Running) -> None:
    escaped = re.escape(shown.strip().replace("http://127.0.0.1:8000", stack.url))
    pattern = escaped.replace("…\\\n", "(?:.*\n)?").replace("…", ".*")
    assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"shown:\n{shown}\nprinted:\n{printed}"


def five_free_ports() -> int:
    """Return the first of five in a row, below the range that outgoing connections take theirs from."""
    for first in range(12_000 + os.getpid() % 2_000 * 5, 30_000, 5):
        with ExitStack() as held:
            try:
                for port in range(first, first + 5):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no five free ports in a row")


def start(command: str, port: int, state: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "local", command, "--port", str(port), "--state", str(state)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: "subprocess.Popen[str]", pattern: str) -> list[str]:
    """Return its lines up to the first that matches; fails when it ends before."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError("ended without a match:\n" + "".join(lines))


def eventually(answer: Callable[[], Any], *, timeout_s: float = 120) -> Any:
    give_up_at = time.monotonic() + timeout_s
    while not (found := answer()):
        assert time.monotonic() < give_up_at, "it did not come true in time"
        time.sleep(0.2)
    return found


README = readme()


def kill_in_the_middle(command: str, port: int, state: Path) -> None:
    """Start on a new state and kill the process when it has shown how many samples are ready."""
    killed = start(command, port, state)
    assert not [line for line in read_until(killed, ADDRESS) if "of 16 ready" in line]
    read_until(killed, r"\d+ of 16 ready")
    killed.send_signal(signal.SIGKILL)
    killed.wait()


def make_run(port: int, state: Path) -> "subprocess.Popen[str]":
    """Run the README's first block on these ports and this state, in the environment that the tests run in."""
    assert README[0].code == "make run\n"
    here = [f"PORT={port}", f"STATE={state}", f"PY={sys.executable}", "READY=Makefile"]
    return subprocess.Popen(
        ["make", "run", *here],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
