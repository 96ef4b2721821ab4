"""The stack's processes: none outlives the one that started it, dead ones come back, ports have owners."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from local.children import (
    REPOSITORY,
    Child,
    StartFailed,
    free_port,
    module_command,
    owns_port,
    require_free_port,
    spawn,
)
from local.postgres import start_postgres, stop_postgres
from tests.support.memory import memory_folder


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 60) -> bool:
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if condition():
            return True
        time.sleep(0.02)
    return False


def parent_of(command: list[str]) -> "subprocess.Popen[bytes]":
    """Return a process that spawns `command` as the stack does, and sleeps."""
    program = (
        "import os, pathlib, time; from local.children import spawn;"
        f"spawn({command!r}, log=pathlib.Path(os.devnull), env=os.environ); time.sleep(60)"
    )
    return subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)


@pytest.mark.parametrize(
    "command",
    [
        [
            sys.executable,
            "-c",
            "import time; from local.parent_watch import die_with_parent; die_with_parent(); time.sleep(60)",
        ],
        [*module_command("local.parent_watch", "SIGINT", ""), "sleep", "60"],
    ],
    ids=["ours", "another's"],
)
def test_a_child_ends_when_its_parent_is_killed(command: list[str]) -> None:
    parent = parent_of(command)
    family = psutil.Process(parent.pid)
    assert wait_until(lambda: any("sleep" in " ".join(p.cmdline()) for p in family.children(recursive=True)))
    children = family.children(recursive=True)
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_stop_reaches_a_program_even_where_the_shell_ignores_that_signal() -> None:
    """As in `make run &` of a script: SIGINT is ignored there, and by all that is started from there."""
    command = [
        "sh",
        "-c",
        "trap '' INT; exec \"$@\"",
        "-",
        *module_command("local.parent_watch", "SIGINT", ""),
        "sleep",
        "60",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    watcher = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
    assert wait_until(lambda: [p.name() for p in psutil.Process(watcher.pid).children()] == ["sleep"])
    watcher.terminate()
    assert watcher.wait(timeout=60) != 0


def test_a_child_that_dies_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child(
        "sleeper", lambda: spawn(["sleep", "60"], log=tmp_path / "log", env=os.environ), said.append
    )
    first = child.pid
    os.kill(first, signal.SIGKILL)
    try:
        assert wait_until(lambda: child.pid != first)
        assert said == ["sleeper ended with exit code -9; starting it again in 2 s"]
    finally:
        child.stop()
    assert not psutil.pid_exists(child.pid)


def test_a_child_that_cannot_start_is_told_from_one_that_is_slow(tmp_path: Path) -> None:
    child = Child(
        "failing", lambda: spawn(["false"], log=tmp_path / "log", env=os.environ), lambda line: None
    )
    with pytest.raises(StartFailed, match="failing ended with exit code 1"):
        child.wait_ready(free_port(), lambda: False, timeout_s=10)
    child.stop()


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartFailed, match=rf"port {port} \(the API\) is taken .* PORT=N"):
            require_free_port(port, what="the API")
        assert owns_port(os.getpid(), port)


def test_another_programs_answer_on_a_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        child = Child(
            "sleeper", lambda: spawn(["sleep", "60"], log=tmp_path / "l", env=os.environ), lambda line: None
        )
        with pytest.raises(StartFailed, match="answered by another program"):
            child.wait_ready(other.getsockname()[1], lambda: True, timeout_s=5)
        child.stop()


@pytest.fixture
def state_path() -> Iterator[Path]:
    with memory_folder("collections-test-") as folder:
        yield Path(folder)


def test_postgres_keeps_what_was_committed_when_everything_is_killed(state_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from local.postgres import start_postgres;"
        "print(start_postgres(pathlib.Path(sys.argv[1]), 0, fsync=False), flush=True); time.sleep(60)"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", program, str(state_path)], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert first.stdout
    url = first.stdout.readline().decode().strip()
    processes = psutil.Process(first.pid).children(recursive=True)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    connection.close()
    first.kill()
    first.wait()
    # Even the guard is killed, so that the next start finds a server that nobody stops.
    processes[0].kill()
    try:
        with (
            psycopg2.connect(start_postgres(state_path, 0, fsync=False)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT n, lower('É') FROM kept")
            assert cursor.fetchall() == [(7, "é")]
        connection.close()
    finally:
        stop_postgres(state_path)
    assert psutil.wait_procs(processes, timeout=60)[1] == []
