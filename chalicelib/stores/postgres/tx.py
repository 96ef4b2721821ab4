"""A running transaction, as the stores' functions use it. It imports no driver, so that any module may import it."""

from collections.abc import Sequence
from typing import Any, TypeVar

Row = dict[str, Any]
T = TypeVar("T")


class Tx:
    """A running transaction, the first argument of the stores' functions."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def rows(self, shape: type[T], statement: str, **values: Any) -> list[T]:
        """Return the rows as `shape`s, whose fields must be named as the statement's columns are."""
        return [shape(**row) for row in self.all(statement, **values)]

    def row(self, shape: type[T], statement: str, **values: Any) -> T | None:
        """Return the first row as a `shape`, None when there is no row."""
        rows = self.rows(shape, statement, **values)
        return rows[0] if rows else None

    def all(self, statement: str, **values: Any) -> list[Row]:
        self._cursor.execute(statement, values)
        names = [column.name for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def one(self, statement: str, **values: Any) -> Row | None:
        """Return the first row, or None."""
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    def run(self, statement: str, **values: Any) -> int:
        """Execute the statement and return the number of affected rows."""
        self._cursor.execute(statement, values)
        return int(self._cursor.rowcount)

    def run_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute the statement once, with all rows in place of VALUES %s."""
        from psycopg2.extras import execute_values

        execute_values(self._cursor, statement, rows, page_size=1000)
