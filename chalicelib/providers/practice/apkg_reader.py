"""Reads Anki packages in a child process: this process never parses their bytes."""

import json
import os
import subprocess
import sys
import tempfile

import msgspec

from chalicelib.errors import BadFile
from chalicelib.model.practice.anki_notes import Package
from chalicelib.providers.child import APP_ROOT, bare_environment

TIMEOUT_S = 60.0
MAX_RESULT_BYTES = 50_000_000


def read_package(path: str) -> Package:
    """Return the cards of the package in this local file. Raise BadFile."""
    with tempfile.TemporaryDirectory(prefix="collections-") as folder, tempfile.TemporaryFile() as out:
        command = [sys.executable, "-B", "-m", "chalicelib.providers.practice.apkg_child", path, folder]
        try:
            ended = subprocess.run(  # noqa: S603  our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                cwd=APP_ROOT,
                env=bare_environment(),
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _unreadable() from error
        if not 0 < os.fstat(out.fileno()).st_size <= MAX_RESULT_BYTES or ended.returncode:
            raise _unreadable()
        out.seek(0)
        raw = out.read()
    try:
        return msgspec.json.decode(raw, type=Package)
    except msgspec.ValidationError:
        told = json.loads(raw)
        raise BadFile(told["message"], code=told["code"]) from None


def _unreadable() -> BadFile:
    said = "The package takes too much time or memory to read. Export fewer decks at once, without media."
    return BadFile(said, code="too_complex")
