"""Reads .sql files of named statements: a line `-- :name claim_task`, then the statement, with values as %(name)s.

A line `-- :include other_name` is replaced by the other statement of the same file.
"""

import re
from pathlib import Path

_NAME = re.compile(r"^-- :name (\w+)\s*$", re.MULTILINE)
_INCLUDE = re.compile(r"^\s*-- :include (\w+)\s*$", re.MULTILINE)


def statements(module_file: str) -> dict[str, str]:
    """Return the statements of the .sql file beside a module, by name."""
    text = Path(module_file).with_suffix(".sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    named = dict(zip(parts[1::2], (body.strip() for body in parts[2::2]), strict=True))
    return {name: _INCLUDE.sub(lambda line: named[line[1]], body) for name, body in named.items()}
