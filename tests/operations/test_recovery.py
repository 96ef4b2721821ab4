"""The drill of docs/operating.md: the database goes back to an earlier point, the files do not."""

import pytest

from chalicelib import wiring
from tests.support.databases import create_database, execute
from tests.support.people import People
from tests.support.world import World, forget_wiring, jpeg


def test_files_that_came_after_the_restored_point_are_found_and_processed(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ingest("alice/before.jpg", jpeg())
    world.db.close()
    wiring.forget_all()
    source = world.admin_url.rpartition("/")[2]
    restored = create_database(world.admin_url, f"{source}_restored", template=source)
    world.ingest("alice/after.jpg", jpeg("blue"))
    monkeypatch.setenv("DATABASE_URL", restored.replace("//postgres@", "//collections_app:test@"))
    forget_wiring()
    after = World(db=wiring.database(), admin_url=restored, aws=world.aws, providers=world.providers)
    assert after.sql("SELECT id FROM items") == [("before",)]
    after.heal()
    assert after.sql("SELECT id, status FROM items ORDER BY id") == [("after", "READY"), ("before", "READY")]
    forget_wiring()
    execute(world.admin_url, f"DROP DATABASE {source}_restored WITH (FORCE)", database="postgres")
