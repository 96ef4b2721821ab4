"""Reads files of the form .env: a NAME=value a line, # before a comment. A value may stand in quotes."""

import re
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class WrongLine(Exception):
    """A line is no NAME=value. The message has its number, and nothing of it: it may be a secret."""


def read(path: Path) -> dict[str, str]:
    """Return the variables of the file by name, in its order. Raise WrongLine."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise WrongLine(f"{path.name}, line {number}: must be NAME=value")
        found[match[1]] = match[2].strip().strip("\"'")
    return found
