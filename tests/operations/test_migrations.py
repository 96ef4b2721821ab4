"""Migrations: from empty, from earlier releases with their data, again, two at once, killed halfway."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.accounts.passwords import matches
from chalicelib.model.failures import FailureFilters
from chalicelib.model.library.items import ItemFilters, ItemRef
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.ops.library.browse import list_items, read_item
from chalicelib.ops.operations.failures import redrive_failures
from chalicelib.ops.search.search import search_items
from chalicelib.stores.accounts import accounts as accounts_store
from chalicelib.stores.postgres import migrate as module
from chalicelib.stores.postgres.migrate import MIGRATIONS, MigrationChanged, migrate, set_app_password
from chalicelib.stores.postgres.sql import statements
from tests.releases.record import PASSWORD
from tests.support.databases import create_database, execute, rows
from tests.support.emulated import BUCKET
from tests.support.plans import misfits
from tests.support.world import World, forget_wiring, jpeg

RELEASES = sorted(
    path for path in (Path(__file__).parents[1] / "releases").iterdir() if (path / "rows.sql").exists()
)


@pytest.fixture
def empty_url(postgres_url: str, request: pytest.FixtureRequest) -> str:
    return create_database(postgres_url, f"empty_{abs(hash(request.node.name))}")


def test_from_empty_and_again(empty_url: str) -> None:
    assert migrate(empty_url) == [name for name, _ in module._migrations()]
    assert migrate(empty_url) == []


def test_two_at_once_apply_each_file_once(empty_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, 0, len(list(module._migrations()))]


def test_killed_halfway_leaves_nothing_and_the_next_run_succeeds(
    empty_url: str, tmp_path, monkeypatch
) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int)")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (id int); SELECT 1 / 0")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(empty_url)
    assert rows(empty_url, "SELECT to_regclass('first')::text, to_regclass('second')::text") == [
        ("first", None)
    ]
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (id int)")
    assert migrate(empty_url) == ["0002_second"]


def test_a_file_that_was_changed_after_it_ran_is_refused(empty_url: str, tmp_path, monkeypatch) -> None:
    file = tmp_path / "0001_first.sql"
    file.write_text("CREATE TABLE first (id int)")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    migrate(empty_url)
    file.write_text("CREATE TABLE first (id bigint)")
    with pytest.raises(MigrationChanged, match="0001_first"):
        migrate(empty_url)


def test_a_table_somebody_holds_stops_a_migration_within_its_lock_timeout(
    empty_url: str, tmp_path, monkeypatch
) -> None:
    execute(empty_url, "CREATE TABLE busy (id int)")
    (tmp_path / "0001_alter.sql").write_text("ALTER TABLE busy ADD COLUMN more int")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    holder = psycopg2.connect(empty_url)
    holder.cursor().execute("LOCK TABLE busy")
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        migrate(empty_url, lock_timeout_s=1)
    holder.close()
    assert migrate(empty_url) == ["0001_alter"]


def test_a_file_and_the_record_that_it_ran_are_one_transaction(empty_url: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int); DROP TABLE schema_migrations")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        migrate(empty_url)
    assert rows(empty_url, "SELECT to_regclass('first')::text") == [(None,)]


def test_a_migration_whose_process_is_killed_is_as_if_it_never_was(
    empty_url: str, tmp_path, monkeypatch
) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (id int)")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (id int); SELECT pg_sleep(2)")
    program = (
        "import pathlib, sys\nfrom chalicelib.stores.postgres import migrate as m\n"
        "m.MIGRATIONS = pathlib.Path(sys.argv[1])\nm.migrate(sys.argv[2])"
    )
    project = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), empty_url], cwd=project)
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND pid <> pg_backend_pid()"
    )
    give_up_at = time.monotonic() + 60
    while rows(empty_url, asleep) == [(0,)] and time.monotonic() < give_up_at:
        time.sleep(0.05)
    process.kill()
    assert process.wait() != 0
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (id int)")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    assert migrate(empty_url) == ["0002_second"]


INDEX_BUSY = """-- Outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS busy_id;
CREATE INDEX CONCURRENTLY busy_id ON busy (id);
"""


def test_others_write_while_a_file_outside_a_transaction_waits_for_them(
    empty_url: str, tmp_path, monkeypatch
) -> None:
    execute(empty_url, "CREATE TABLE busy (id int)")
    (tmp_path / "0001_index.sql").write_text(INDEX_BUSY)
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    writer = psycopg2.connect(empty_url)
    writer.cursor().execute("INSERT INTO busy VALUES (1)")
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%busy%' AND wait_event_type = 'Lock'"
    give_up_at = time.monotonic() + 60
    while rows(empty_url, f"{waits} AND datname = current_database()") == [(0,)]:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    execute(empty_url, "SET lock_timeout = '5s'; INSERT INTO busy VALUES (2)")
    writer.commit()
    for thread in threads:
        thread.join()
    writer.close()
    assert sorted(applied) == [[], ["0001_index"]]
    assert rows(empty_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_id'::regclass") == [
        (True,)
    ]


def test_a_file_outside_a_transaction_that_failed_is_run_again_from_its_beginning(
    empty_url: str, tmp_path, monkeypatch
) -> None:
    execute(empty_url, "CREATE TABLE busy (id int)")
    (tmp_path / "0001_index.sql").write_text(INDEX_BUSY + "SELECT 1 / 0;\n")
    monkeypatch.setattr(module, "MIGRATIONS", tmp_path)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(empty_url)
    assert rows(empty_url, "SELECT count(*) FROM schema_migrations") == [(0,)]
    (tmp_path / "0001_index.sql").write_text(INDEX_BUSY)
    assert migrate(empty_url) == ["0001_index"]


@pytest.fixture(params=RELEASES, ids=lambda release: release.name)
def old_world(request, world: World, postgres_url: str, tmp_path, monkeypatch) -> World:
    """A world whose database an earlier release has made and filled, and this one has migrated."""
    name = f"release_{request.param.name}_{abs(hash(request.node.originalname))}"
    url = create_database(postgres_url, name)
    then = tmp_path / "migrations"
    then.mkdir()
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.stem <= request.param.name:
            shutil.copy(path, then)
    monkeypatch.setattr(module, "MIGRATIONS", then)
    migrate(url)
    execute(url, (request.param / "rows.sql").read_text())
    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS)
    assert migrate(url) == [
        path.stem for path in sorted(MIGRATIONS.glob("*.sql")) if path.stem > request.param.name
    ]
    set_app_password(url, "test")
    monkeypatch.setenv("DATABASE_URL", url.replace("//postgres@", "//collections_app:test@"))
    forget_wiring()
    return World(db=wiring.database(), admin_url=url, aws=world.aws, providers=world.providers)


def test_an_earlier_releases_rows_are_all_there_and_of_use(old_world: World) -> None:
    db = old_world.db
    items, _ = list_items("alice", ItemFilters(), after=None, limit=10, db=db)
    assert {item.id: item.status for item in items} == {
        "red apple": "READY",
        "tomatoes": "READY",
        "broken": "FAILED",
    }
    answer = search_items(
        "alice",
        "tomatoes",
        filters=Filters(),
        cut=Cut(limit=5, include_weaker=True),
        db=db,
        embedder=wiring.embedder(),
    )
    assert answer.hits[0].passage.item_id == "tomatoes"
    old_world.aws.client("s3").put_object(Bucket=BUCKET, Key="alice/broken.jpg", Body=jpeg("pink"))
    found = redrive_failures(FailureFilters(kind="item"), db=db, bucket=BUCKET)
    assert found == (1, False)
    handlers.minute_passed()
    old_world.run(old_world.published()[-1])
    assert read_item(_ref("broken"), db=db).status == "READY"


def test_an_earlier_releases_account_and_key_are_of_use(old_world: World) -> None:
    accounts = old_world.sql("SELECT user_id, email FROM accounts")
    if not accounts:
        pytest.skip("this release was recorded without an account")
    ((user_id, email),) = accounts
    found = old_world.db.transact_as_gatekeeper(lambda tx: accounts_store.find_by_email(tx, email))
    assert found and matches(found.password_hash, PASSWORD)
    ((scopes,),) = old_world.sql(f"SELECT scopes FROM api_keys WHERE user_id = '{user_id}'")
    assert set(scopes) == {"read", "write", "account", "admin"}


def _ref(item_id: str) -> ItemRef:
    return ItemRef(user_id="alice", item_id=item_id)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_an_earlier_releases_statements_still_run(release: Path, template_url: str) -> None:
    """While a release is rolled out, the one before it works on the new schema."""
    recorded = {
        f"{path.stem}.{name}": text
        for path in (release / "statements").glob("*.sql")
        for name, text in statements(str(path)).items()
    }
    assert len(recorded) > 10
    assert misfits(recorded, template_url) == {}
