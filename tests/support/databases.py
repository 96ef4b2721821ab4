"""Databases of the tests' Postgres server: clones of a template, each lent to one test at a time."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from chalicelib.stores.postgres.migrate import migrate, set_app_password

TEMPLATE = "template_collections"


class Databases:
    """Lends databases that equal the template, each under a name that none had before.

    A clone costs 25 ms of CPU, so one that nobody has written to is lent again. Whoever writes, a row or a schema or a
    setting of a database or a role, committed or not, uses up one of the server's transaction numbers.
    """

    def __init__(self, server_url: str) -> None:
        self.template_url = with_database(server_url, TEMPLATE)
        self._names = (f"test_{number}" for number in itertools.count())
        self._unwritten: list[str] = []
        self._connection = psycopg2.connect(with_database(server_url, "postgres"))
        self._connection.autocommit = True
        self._cursor = self._connection.cursor()
        self._run("SET file_copy_method = clone")  # the kernel copies: a quarter less
        self._run(f"CREATE DATABASE {TEMPLATE} TEMPLATE collections")
        migrate(self.template_url)
        set_app_password(self.template_url, "test")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Give the superuser's URL of a database."""
        name = self._unwritten.pop() if self._unwritten else self._clone()
        completed = self._completed()
        yield with_database(self.template_url, name)
        self._end_sessions(name)
        renamed = next(self._names)
        self._run(f"ALTER DATABASE {name} RENAME TO {renamed}")  # nobody left finds it
        if self._completed() == completed + 1:  # the renaming
            self._unwritten.append(renamed)
        else:
            self._run(f"DROP DATABASE {renamed}")

    def _clone(self) -> str:
        name = next(self._names)
        self._run(clone_statement(name, template=TEMPLATE))
        return name

    def _completed(self) -> int:
        """Return the number after that of the server's last completed transaction."""
        ((number,),) = self._run("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return int(number)

    def _end_sessions(self, name: str) -> None:
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        while self._run(ended):
            time.sleep(0.001)

    def _run(self, statement: str) -> list[tuple]:
        self._cursor.execute(statement)
        return self._cursor.fetchall() if self._cursor.description else []


def create_database(url: str, name: str, *, template: str = "collections") -> str:
    execute(url, clone_statement(name, template=template), database="postgres")
    return with_database(url, name)


def clone_statement(name: str, *, template: str) -> str:
    # The default strategy writes all of it to the write-ahead log as well, and takes twice as long.
    return f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"


def with_database(url: str, name: str) -> str:
    return url.rpartition("/")[0] + "/" + name


def execute(url: str, statement: str, *, database: str | None = None) -> None:
    connection = psycopg2.connect(with_database(url, database) if database else url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def rows(url: str, statement: str) -> list[tuple]:
    """Run a statement as the URL's role and return its rows."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        answer = cursor.fetchall()
    connection.close()
    return answer
