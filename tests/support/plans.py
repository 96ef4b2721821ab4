"""Plans named SQL statements."""

import re

from tests.conftest import rows

EXAMPLE_ROW = {"chunks": "(%(a)s, %(b)s, 'text', 1, 1, 0, 1, 'x')"}


def plan(text: str, url: str) -> list[tuple]:
    """Return the plan of a named statement; psycopg2's error when the schema has no such table or column."""
    text = text.replace("VALUES %s", f"VALUES {EXAMPLE_ROW['chunks']}")
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return rows(url, "EXPLAIN (GENERIC_PLAN) " + re.sub(r"%\((\w+)\)s", numbered, text))
