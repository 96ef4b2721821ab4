"""Starts, watches, restarts and stops the stack's child processes, and finds the owner of a port."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parent.parent
LOG_LIMIT_BYTES = 10 * 1024 * 1024

Launch = Callable[[], "subprocess.Popen[bytes]"]
Say = Callable[[str], None]


class StartFailed(RuntimeError):
    """A part of the stack did not start. The message names the part, the reason and the way out."""


def require_free_port(port: int, *, what: str) -> None:
    """Raise StartFailed unless 127.0.0.1:`port` can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartFailed(
                f"port {port} ({what}) is taken by another program ({error.strerror}). "
                f"Stop it, or choose other ports: make run PORT=N uses N to N+4."
            ) from error


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def owns_port(pid: int, port: int) -> bool:
    """Return whether process `pid` or one of its descendants listens on `port`."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for process in family
            for connection in process.net_connections(kind="tcp")
        )
    except psutil.NoSuchProcess:
        return False


def module_command(module: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs one of this repository's modules, for `spawn`."""
    return [python, "-P", "-m", module, *arguments]


def open_log(path: Path) -> int:
    """Return a file descriptor that appends to `path`. A log over 10 MB is first renamed to end in .log.1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def spawn(
    command: Sequence[str], *, log: Path, env: Mapping[str, str], project: Path = REPOSITORY
) -> "subprocess.Popen[bytes]":
    """Start a process in its own process group, with its output in `log`.

    Its standard input is a pipe that ends with this process; see local.parent_watch. Its directory is `project`. It
    imports `app` and `chalicelib` from there, and `local` from this repository.
    """
    descriptor = open_log(log)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
            env={**env, "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys([project, REPOSITORY])))},
            cwd=project,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def kill_group(process: "subprocess.Popen[bytes]", signal_number: int = signal.SIGKILL) -> None:
    """Send a signal to the process and all processes of its group. Nothing happens if they have ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)


class Child:
    """A long-running process that is restarted if it ends.

    The pause before a restart is 1 s if the process ran for more than a minute. Otherwise it doubles: 2 s, 4 s, 8 s,
    at most 30 s.
    """

    def __init__(self, name: str, start: Launch, say: Say) -> None:
        self.name = name
        self._start = start
        self._say = say
        self._stopping = threading.Event()
        self._process = start()
        threading.Thread(target=self._watch, daemon=True, name=f"watch-{name}").start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, port: int, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return once `is_ready` returns True and this process owns `port`.

        Raise StartFailed if the process ends, if another process owns the port, or after `timeout_s`.
        """
        give_up_at = time.monotonic() + timeout_s
        while time.monotonic() < give_up_at:
            if self._process.poll() is not None:
                code = self._process.returncode
                raise StartFailed(f"{self.name} ended with exit code {code} while starting")
            if is_ready():
                if owns_port(self.pid, port):
                    return
                raise StartFailed(f"port {port} ({self.name}) is answered by another program; use PORT=N")
            time.sleep(0.05)
        raise StartFailed(f"{self.name} was not ready after {timeout_s:.0f} s")

    def stop(self, *, grace_s: float = 5.0) -> None:
        """End the process and its group, and wait until it is gone. It is not restarted."""
        self._stopping.set()
        kill_group(self._process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        kill_group(self._process)
        self._process.wait()

    def _watch(self) -> None:
        pause_s = 1.0
        while True:
            started_at = time.monotonic()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            pause_s = 1.0 if time.monotonic() - started_at > 60 else min(pause_s * 2, 30.0)
            self._say(f"{self.name} ended with exit code {code}; starting it again in {pause_s:.0f} s")
            if self._stopping.wait(pause_s):
                return
            self._process = self._start()
