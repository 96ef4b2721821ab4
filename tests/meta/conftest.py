"""Fixtures of tests about the Lambda package, which a run of the tests builds once for all its processes."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deploy.package
from deploy.package import CannotPackage, build, find_python, stage_sources
from deploy.policies import ROOT


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with sam.json and deployment.zip of stage dev. Needs Python 3.12 to 3.14 and a package index.

    A machine without them skips; a machine with CI set fails, because there nobody reads skips.
    """
    return once_a_run(tmp_path_factory, "whole", built)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without the libraries, which take ten times as long."""
    return once_a_run(tmp_path_factory, "package", built_without_libraries)


@pytest.fixture(scope="session")
def resources(package: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((package / "sam.json").read_text())["Resources"]
    return loaded


def once_a_run(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process to ask for it makes."""
    processes = folders.getbasetemp()
    run = processes.parent if "PYTEST_XDIST_WORKER" in os.environ else processes
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / name).exists():
            making = folders.mktemp(name)
            make(making)
            making.rename(run / name)
    return run / name


def built(to: Path) -> None:
    try:
        find_python()
    except CannotPackage as error:
        missing(str(error))
    if not index_answers(to / "index"):
        missing("pip reaches no package index, and the wheels for Lambda come from one")
    build("dev", to)


def built_without_libraries(to: Path) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(deploy.package, "stage_sources", stage_without_libraries)
        built(to)


def stage_without_libraries(to: Path) -> None:
    stage_sources(to)
    (to / "requirements.txt").write_text("")


def missing(what: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def index_answers(to: Path) -> bool:
    small = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if "pgvector" in line)
    pip = [sys.executable, "-m", "pip", "--retries", "1", "--timeout", "10", "download", "--no-deps"]
    command = [*pip, "--dest", str(to), small.split()[0]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
