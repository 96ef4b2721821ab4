"""A temporary folder in memory for a test's Postgres: on disk, a copy of a database takes five times as long."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

SHARED_MEMORY = Path("/dev/shm")
LEAST_FREE_BYTES = 2 * 1024**3  # in a container it often has 64 MB


def memory_folder(prefix: str) -> TemporaryDirectory[str]:
    """Return a folder that is removed with the returned object; it is on disk where memory has no room for it."""
    # Not in pytest's folder: another session would close that to the user that Postgres runs as under root.
    fits = os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > LEAST_FREE_BYTES
    return TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True, dir=SHARED_MEMORY if fits else None)
