"""Waits for processes and finds them."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chalicelib.providers.ingest.decoder import Decoder

ROOT = Path(__file__).parents[2]


def helper_of(decoder: Decoder, path: str) -> psutil.Process:
    """Return the helper process, after it has decoded `path`."""
    before = set(psutil.Process().children())
    decoder.decode(path)
    (helper,) = set(psutil.Process().children()) - before
    return helper


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 60) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="the page's scripts need something to run them"
)
