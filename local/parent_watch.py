"""Ends a child process when its parent process ends, for whatever reason.

The child's standard input is a pipe. The parent holds the write end and never writes to it. When the parent dies,
even by SIGKILL, the kernel closes the pipe and the child reads end-of-file.

`python -m local.parent_watch SIGINT "" program …` does this for a program that does not watch its standard input.
"""

import os
import signal
import subprocess
import sys
import threading


def die_with_parent() -> None:
    """Start a thread that kills this process's group as soon as standard input ends. Return at once."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _run(stop_signal: signal.Signals, user: str, command: list[str]) -> int:
    """Run `command` as `user` ("" is the current user) and return its exit code.

    On SIGTERM, on SIGINT and at the parent's death it gets `stop_signal`.
    """
    # In a script's `make run &` SIGINT is ignored, and the program would inherit that.
    signal.signal(stop_signal, signal.SIG_DFL)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, user=user or None)

    def stop(*_: object) -> None:
        program.send_signal(stop_signal)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
    return program.wait()


if __name__ == "__main__":
    sys.exit(_run(signal.Signals[sys.argv[1]], sys.argv[2], sys.argv[3:]))
