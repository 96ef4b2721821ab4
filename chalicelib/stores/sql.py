"""Reads a .sql file of named statements: `-- :name claim_task` and then the statement, values as %(name)s."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- :name (\w+)\s*$", re.MULTILINE)


def statements(module_file: str) -> dict[str, str]:
    """The statements of the .sql file beside a module, by name."""
    text = Path(module_file).with_suffix(".sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return dict(zip(parts[1::2], (body.strip() for body in parts[2::2]), strict=True))
