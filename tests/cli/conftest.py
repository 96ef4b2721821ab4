"""Fixtures of the tests of `./collections`."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.deployed import PROJECT, Deployed, deployed_stage


def run_collections(
    *arguments: str, environment: Mapping[str, str], cwd: Path = PROJECT
) -> tuple[int, str, str]:
    """Run ./collections as its user does. Return its exit code and what it printed, on both ways."""
    command = [str(PROJECT / "collections"), *arguments]
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@dataclass(kw_only=True)
class Operator:
    """Somebody at a shell who has the deployed stage's account; `url` is the superuser's, of its database."""

    stage: Deployed
    url: str

    def run(self, *arguments: str) -> tuple[int, str, str]:
        return run_collections(*arguments, environment=shell(self.stage.environment))


def shell(aws: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a shell that has these of AWS."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PROJECT_PYTHON": sys.executable, **aws}


@pytest.fixture
def operator(admin_url: str, app_url: str, tmp_path: Path) -> Iterator[Operator]:
    with deployed_stage(tmp_path, owner_url=admin_url, app_url=app_url) as stage:
        yield Operator(stage=stage, url=admin_url)
