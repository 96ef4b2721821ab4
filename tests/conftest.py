"""Real Postgres for every test that wants one: a server a session, a migrated template, a clone a test."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from chalicelib.stores.postgres.migrate import migrate, set_app_password
from chalicelib.stores.postgres.postgres import Database
from local.base import create_tables
from local.places import aws_environment
from local.postgres import start_postgres, stop_postgres
from tests.support.emulated import BUCKET, emulated_aws
from tests.support.memory import memory_folder
from tests.support.provider_server import DIMENSIONS, provider_server
from tests.support.world import World, forget_wiring

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when numpy is first imported
_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a running server; its database `collections` is empty."""
    with memory_folder("collections-test-") as state:
        yield start_postgres(Path(state), 0, fsync=False)
        stop_postgres(Path(state))


@pytest.fixture(scope="session")
def template_url(postgres_url: str) -> str:
    url = create_database(postgres_url, "template_collections", template="collections")
    migrate(url)
    set_app_password(url, "test")
    return url


@pytest.fixture
def admin_url(template_url: str) -> Iterator[str]:
    """A migrated database of this test's own, as its superuser."""
    name = f"test_{next(_numbers)}"
    yield create_database(template_url, name, template="template_collections")
    execute(template_url, f"DROP DATABASE {name} WITH (FORCE)", database="postgres")


@pytest.fixture
def app_url(admin_url: str) -> str:
    """The same database as the app's role."""
    return admin_url.replace("//postgres@", "//collections_app:test@")


@pytest.fixture
def db(app_url: str) -> Iterator[Database]:
    database = Database(app_url, max_size=5)
    yield database
    database.close()


def create_database(url: str, name: str, *, template: str = "collections") -> str:
    # The default strategy writes all of it to the write-ahead log as well, and takes twice as long.
    execute(url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY", database="postgres")
    return with_database(url, name)


def with_database(url: str, name: str) -> str:
    return url.rpartition("/")[0] + "/" + name


def execute(url: str, statement: str, *, database: str | None = None) -> None:
    connection = psycopg2.connect(with_database(url, database) if database else url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def rows(url: str, statement: str) -> list[tuple]:
    """What a statement answers, as the superuser or whoever the URL says."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        answer = cursor.fetchall()
    connection.close()
    return answer


@pytest.fixture
def world(
    admin_url: str, app_url: str, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    with emulated_aws(tmp_path) as aws, provider_server() as providers:
        environment = {
            **aws_environment(aws.emulator.port),
            "ENVIRONMENT": "local",
            "DATABASE_URL": app_url,
            "DATABASE_POOL_SIZE": "5",
            "IMAGES_BUCKET": BUCKET,
            "EMBEDDINGS_URL": f"{providers.url}/v1",
            "EMBEDDING_MODEL": "test-embedding",
            "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "ANALYZER_URL": providers.url,
            "CHAT_PROVIDER": "none",
            "ANONYMOUS_USER": "alice",
            "SESSION_SECRET": "of-the-tests-and-known-to-everybody",
            "SESSIONS_TABLE": "collections-sessions-local",
            "RATE_LIMITS_TABLE": "collections-rate-limits-local",
        }
        create_tables(environment, aws_port=aws.emulator.port)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget_wiring()
        yield World(db=db, admin_url=admin_url, aws=aws, providers=providers)
        forget_wiring()
