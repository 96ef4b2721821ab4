"""The first start: what it installs and prints, and how it loads the samples."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.__main__ import load_samples_once
from local.samples import SamplesFailed, load_samples
from local.stack import Stack

PROJECT = Path(__file__).resolve().parents[2]
NOBODY = "http://127.0.0.1:9"


def make_setup(folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *flags, "setup", f"PYTHON={sys.executable}"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout that requires no packages, so that pip needs no network."""
    folder = tmp_path / "my clone"
    folder.mkdir()
    shutil.copy(PROJECT / "Makefile", folder)
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-models.txt",
        "requirements-weights.txt",
    ):
        (folder / name).touch()
    return folder


def test_setup_would_install_once(clone: Path) -> None:
    """The commands are printed and not run; the last one leaves the stamp."""
    first = make_setup(clone, "--dry-run").stdout
    assert "Installing Python packages into .venv" in first and "pip install" in first
    (clone / ".venv").mkdir()
    (clone / first.split()[-1]).touch()
    assert "Installing" not in make_setup(clone, "--dry-run").stdout


@pytest.mark.slow
def test_setup_says_what_it_installs_once(clone: Path) -> None:
    first = make_setup(clone)
    assert first.returncode == 0, first.stderr
    assert "Installing Python packages into .venv" in first.stdout
    assert "MB" in first.stdout and "minutes" in first.stdout
    again = make_setup(clone)
    assert (again.returncode, "Installing" in again.stdout) == (0, False)


@pytest.mark.slow
def test_setup_mends_what_was_broken_off(clone: Path) -> None:
    assert make_setup(clone).returncode == 0
    (stamp,) = (clone / ".venv").glob(".ready-*")
    stamp.unlink()
    (pip,) = (clone / ".venv").glob("lib/python3*/site-packages/pip")
    shutil.rmtree(pip / "_internal")
    mended = make_setup(clone)
    assert mended.returncode == 0, mended.stderr
    assert (
        subprocess.run([clone / ".venv" / "bin" / "python", "-m", "pip", "--version"], check=False).returncode
        == 0
    )


def test_samples_are_loaded_once_so_that_a_deleted_one_stays_away(tmp_path: Path) -> None:
    """Nobody answers at this address: what asks it fails."""
    mark = tmp_path / "samples-are-loaded"
    with pytest.raises(SamplesFailed, match=f"GET {NOBODY}"):
        load_samples(api_url=NOBODY, aws_endpoint_url=NOBODY, only_once=mark)
    assert not mark.exists()
    mark.touch()
    load_samples(api_url=NOBODY, aws_endpoint_url=NOBODY, only_once=mark)


def test_samples_that_cannot_be_loaded_are_told_and_end_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_samples_once(Stack(url=NOBODY, aws_url=NOBODY), tmp_path)
    assert NOBODY in capsys.readouterr().out


SHOW = """
from local.samples import progress
with progress() as show:
    for ready in range(4):
        show(f"{ready} of 3 ready", ready == 3)
"""


def test_without_a_terminal_progress_is_few_lines() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert printed.stdout == "0 of 3 ready\n3 of 3 ready\n"


def test_on_a_terminal_progress_is_one_line() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", SHOW], cwd=PROJECT, stdout=theirs, check=True)
    os.close(theirs)
    printed = os.read(ours, 10_000).decode()
    os.close(ours)
    assert printed.count("\n") == 1
    assert [line.removesuffix("\x1b[K") for line in printed.strip().split("\r")][-1] == "3 of 3 ready"
