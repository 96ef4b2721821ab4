"""Fixtures that tests of several subjects use: a Postgres server a session, a database and an AWS account a test."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.model.ingest.files import FileLimits
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.stores.postgres.postgres import Database
from local.layout import aws_environment
from local.postgres import start_postgres, stop_postgres
from tests.support.databases import Databases
from tests.support.direct import asked_directly
from tests.support.emulated import BUCKET, TABLES, emulated_aws
from tests.support.kept_clients import kept_clients
from tests.support.memory import memory_folder
from tests.support.provider_server import DIMENSIONS, provider_server
from tests.support.world import World, forget_wiring, set_waits

# Fixtures that tests of several subjects use, each beside the class that it makes. Those of one subject are in the
# subject's own conftest.py.
pytest_plugins = (
    "tests.support.people",  # the others import it
    "tests.support.mailbox",
    "tests.support.talking",
    "tests.support.library_api",
    "tests.support.running",
    "tests.hostile.asking",
)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when numpy is first imported
gc.disable()  # until all is imported: nothing of it is garbage, and looking for some takes a third of the time
# They start first, so that no process works on a long module while the others have nothing left to do. Each takes more
# than 5 s of CPU or of waiting, the longest first.
LONGEST = (
    *("local/test_stack", "work/test_chaos", "meta/test_package", "operations/test_outages_aws"),
    *("operations/test_outages", "ingest/test_hostile_files", "accounts/test_tenant_matrix"),
    *("http/test_contract", "meta/test_scripts", "ingest/test_large_pdfs", "ingest/test_scans"),
    *(
        "http/test_hostile_strings",
        "accounts/test_tenants",
        "search/test_search_api",
        "search/test_generations",
    ),
    *("local/test_models_server", "meta/test_policy_usage", "operations/test_migrations", "work/test_runs"),
    *("work/test_restart", "accounts/test_rate_limits_shared", "work/test_crashes", "meta/test_imports"),
    *("console/test_console_session", "chat/test_untrusted_text", "library/test_page_images"),
    *("meta/test_base_stack", "usage/test_memory", "ingest/test_multipart", "work/test_run_crashes"),
)


def pytest_collection_finish() -> None:
    gc.freeze()  # modules and tests stay to the end: a collection need not go through them
    gc.set_threshold(50_000, 20, 100)  # tests leave few cycles behind
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    rank = {here / f"{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a running server; its database `collections` is empty."""
    with memory_folder("collections-test-") as state:
        yield start_postgres(Path(state), 0, fsync=False)
        stop_postgres(Path(state))


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    made = Databases(postgres_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def template_url(databases: Databases) -> str:
    return databases.template_url


@pytest.fixture
def admin_url(databases: Databases) -> Iterator[str]:
    """A migrated database of this test's own, as its superuser."""
    with databases.lent() as url:
        yield url


@pytest.fixture
def app_url(admin_url: str) -> str:
    """The same database as the app's role."""
    return admin_url.replace("//postgres@", "//collections_app:test@")


@pytest.fixture
def db(app_url: str) -> Iterator[Database]:
    database = Database(app_url, max_size=5)
    yield database
    database.close()


@pytest.fixture(scope="session")
def kept_decoder() -> Iterator[Decoder]:
    """The decoder that the app of every test begins with: to start its process takes longer than most tests."""
    decoder = Decoder(limits=FileLimits())
    yield decoder
    decoder.close()


@pytest.fixture
def world(
    admin_url: str,
    app_url: str,
    db: Database,
    kept_decoder: Decoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
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
            **TABLES,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        set_waits(monkeypatch, 60.0, 60.0)  # no busy machine misses these; tests/operations sets the real ones
        forget_wiring()
        with lent(kept_decoder), asked_directly(aws.emulator), kept_clients():
            yield World(db=db, admin_url=admin_url, aws=aws, providers=providers)
        forget_wiring()


@contextmanager
def lent(decoder: Decoder) -> Iterator[None]:
    """Let wiring use this decoder, unless the test forgets it, and keep it open."""
    assert wiring.decoder()._limits == decoder._limits
    wiring.decoder._made[:] = [decoder]
    wiring.settings.forget()  # a test may still change the environment
    yield
    for made in wiring.decoder.forget():
        if made is not decoder:
            made.close()
