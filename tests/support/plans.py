"""Plans named SQL statements."""

import re
from collections.abc import Mapping

import psycopg2

from tests.support.databases import rows

EXAMPLE_ROW = {"chunks": "(%(a)s, %(b)s, 'text', 1, 1, 0, 1, 'x')"}


def plan(text: str, url: str) -> list[tuple]:
    """Return the plan of a named statement; psycopg2's error when the schema has no such table or column."""
    return rows(url, _explained(text))


def misfits(texts: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the errors of the statements that cannot be planned, by the statement's name; all in one connection."""
    found = {}
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for name, text in texts.items():
            try:
                cursor.execute(_explained(text))
            except psycopg2.Error as error:
                found[name] = str(error)
    connection.close()
    return found


def _explained(text: str) -> str:
    text = text.replace("VALUES %s", f"VALUES {EXAMPLE_ROW['chunks']}")
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return "EXPLAIN (GENERIC_PLAN) " + re.sub(r"%\((\w+)\)s", numbered, text)
