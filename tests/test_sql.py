"""Every named statement is valid against the migrated schema: EXPLAIN (GENERIC_PLAN) as the role that runs it."""

import re
from pathlib import Path

import psycopg2
import pytest

from chalicelib.stores.sql import statements

STORES = Path(__file__).parent.parent / "chalicelib" / "stores"
ALL = [
    pytest.param(text, id=f"{path.stem}.{name}")
    for path in sorted(STORES.glob("*.sql"))
    for name, text in statements(str(path)).items()
]
EXAMPLE_ROW = {"chunks": "(%(a)s, %(b)s, 'text', 1, 1, 0, 1, 'x')"}


@pytest.mark.parametrize("text", ALL)
def test_statement_can_be_planned(text: str, template_url: str) -> None:
    text = text.replace("VALUES %s", f"VALUES {EXAMPLE_ROW['chunks']}")
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    connection = psycopg2.connect(template_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("EXPLAIN (GENERIC_PLAN) " + re.sub(r"%\((\w+)\)s", numbered, text))
        assert cursor.fetchall()
    connection.close()
