"""Migrations: from empty, again, two at once, killed halfway."""

import threading

import psycopg2
import pytest

from chalicelib.stores import migrate as module
from chalicelib.stores.migrate import MigrationChanged, migrate
from tests.conftest import create_database, execute, rows


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
