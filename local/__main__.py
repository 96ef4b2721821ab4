"""Runs the local stack from the command line.

python -m local run  [--port 8000] [--state .local] [--workers 2]     until Ctrl-C
python -m local demo …                                                loads and searches the samples, then exits
"""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from local.children import StartFailed
from local.layout import DEFAULT_PORT
from local.samples import SamplesFailed, load_samples, show_searches
from local.stack import Stack, running_stack


def main() -> int:
    arguments = _parse()
    # A process that a shell starts in the background ignores SIGINT.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    started_at = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started_at:5.1f} s] {line}", flush=True)

    try:
        with running_stack(
            state=arguments.state, base_port=arguments.port, image_workers=arguments.workers, say=say
        ) as stack:
            try:
                say("ready: open this address in a browser")
                print(f"\n    {stack.url}    Ctrl-C stops it\n", flush=True)
                if arguments.command == "demo":
                    load_samples(api_url=stack.url, aws_endpoint_url=stack.aws_url)
                    show_searches(api_url=stack.url)
                    return 0
                load_samples_once(stack, arguments.state)
                threading.Event().wait()
                return 0
            except KeyboardInterrupt:
                return 0 if arguments.command == "run" else 130
            finally:
                # Stopping takes a moment; a second Ctrl-C must not leave some parts running.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                say("stopping")
    except KeyboardInterrupt:
        return 130
    except StartFailed as failure:
        print(f"not started: {failure}", file=sys.stderr)
        return 1
    except SamplesFailed as failure:
        print(f"the samples failed: {failure}", file=sys.stderr)
        return 1


def load_samples_once(stack: Stack, state: Path) -> None:
    """Load the samples unless an earlier run did. Print an error and go on, as the stack works without them."""
    try:
        load_samples(
            api_url=stack.url, aws_endpoint_url=stack.aws_url, only_once=state / "samples-are-loaded"
        )
    except SamplesFailed as failure:
        print(f"Not all samples could be loaded; the next start tries again. {failure}", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the whole application on this machine."
    )
    parser.add_argument("command", choices=("run", "demo"))
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="the API's port; the next four ports are used too"
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".local"), help="the directory for all data and logs"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that decode files")
    return parser.parse_args()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
