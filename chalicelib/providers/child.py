"""Gives a child process that parses strangers' bytes what it needs to start, and no secret of this process."""

import os
import sys
from pathlib import Path

APP_ROOT = str(Path(__file__).resolve().parents[2])


def bare_environment() -> dict[str, str]:
    """Return the variables that Python needs to find the same modules, and no other variable of this process."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([APP_ROOT, *filter(None, sys.path)]),
        "LD_LIBRARY_PATH": os.path.join(sys.base_prefix, "lib"),  # Lambda's Python needs it to find libpython
    }
