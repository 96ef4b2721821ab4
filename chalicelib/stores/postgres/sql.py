"""Reads .sql files of named statements: a line `-- :name claim_task`, then the statement, with values as %(name)s.

A line `-- :include other_name` is replaced by the other statement of the same file. `-- :name claim_task prepared`
marks a statement that a connection is to prepare: see Prepared.
"""

import re
from functools import cached_property
from pathlib import Path

_NAME = r"^-- :name (\w+)( prepared)?\s*$"
_INCLUDE = r"^\s*-- :include (\w+)\s*$"
_VALUE = r"%\((\w+)\)s"


class Prepared(str):
    """A statement whose plan does not depend on its values, and that is executed often.

    A connection that executes it again prepares it, so that the server parses and plans it once and not each time: most
    of the CPU of a short statement is that. PREPARE infers the types of the values: there is none of `uuid[]`, since
    the driver writes a list of strings as `text[]`.
    """

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its values, in the order of their numbers."""
        return tuple(dict.fromkeys(re.findall(_VALUE, self)))

    @cached_property
    def numbered(self) -> str:
        """The statement with $1, $2 and so on as its values."""
        return re.sub(_VALUE, lambda found: f"${self.names.index(found[1]) + 1}", self).replace("%%", "%")


def statements(module_file: str) -> dict[str, str]:
    """Return the statements of the .sql file beside a module, by name."""
    text = Path(module_file).with_suffix(".sql").read_text(encoding="utf-8")
    parts = re.split(_NAME, text, flags=re.MULTILINE)
    named = dict(zip(parts[1::3], (body.strip() for body in parts[3::3]), strict=True))

    def included(body: str) -> str:
        return re.sub(_INCLUDE, lambda line: included(named[line[1]]), body, flags=re.MULTILINE)

    marks = dict(zip(parts[1::3], parts[2::3], strict=True))
    return {name: Prepared(included(body)) if marks[name] else included(body) for name, body in named.items()}
