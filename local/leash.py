"""Ends a child process when the process that started it is gone, however it went.

The parent holds the write end of a pipe that is the child's standard input and never writes to it.
When the parent dies, even by SIGKILL, the kernel closes the pipe and the child reads end-of-file.

`python -m local.leash SIGINT "" program …` does it for a program that knows nothing of this.
"""

import os
import signal
import subprocess
import sys
import threading


def die_with_parent() -> None:
    """Kill this process's whole group as soon as standard input ends. Returns at once."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="leash").start()


def _run(stop_signal: signal.Signals, user: str, command: list[str]) -> int:
    """Run `command` as `user` ("": this one); SIGTERM and the parent's death reach it as `stop_signal`."""
    # A script's `make run &` has SIGINT ignored, and so would the program.
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
    threading.Thread(target=watch, daemon=True, name="leash").start()
    return program.wait()


if __name__ == "__main__":
    sys.exit(_run(signal.Signals[sys.argv[1]], sys.argv[2], sys.argv[3:]))
