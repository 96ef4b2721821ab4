"""Postgres plans each statement of the pipeline once, and no plan reads all that a user has."""

from chalicelib import wiring
from chalicelib.stores.work.tasks import SQL
from tests.support.databases import execute
from tests.support.plans import plan
from tests.support.world import World, jpeg

COLORS = ("red", "green", "blue", "white", "black", "gray", "pink")


def test_no_statement_of_the_pipeline_is_planned_again_and_again(world: World) -> None:
    """Postgres makes five plans for the values as they are, and then one for all values if it costs no more."""
    for color in COLORS:
        world.ingest(f"alice/{color}.jpg", jpeg(color))
    known = "SELECT statement, custom_plans, generic_plans FROM pg_prepared_statements"
    found = wiring.pipeline_database().transact("alice", lambda tx: tx.all(known))
    assert [each["statement"] for each in found if each["custom_plans"] > 5] == []
    assert any(each["generic_plans"] for each in found)


def test_a_wake_reads_what_it_wakes_and_not_all_tasks_of_the_user(
    world: World, admin_url: str, app_url: str
) -> None:
    execute(
        admin_url,
        "INSERT INTO users (id) VALUES ('alice');"
        "INSERT INTO items (user_id, id, key, name, status)"
        " SELECT 'alice', n, n, n, 'READY' FROM generate_series(1, 3000) n;"
        "INSERT INTO tasks (user_id, item_id, stage, state)"
        " SELECT 'alice', n, stage, 'done' FROM generate_series(1, 3000) n,"
        " unnest(ARRAY['process', 'analyze', 'embed']) stage;"
        "ANALYZE tasks",
    )
    told = "\n".join(line for (line,) in plan(SQL["wake"], app_url))
    assert "tasks_pkey" in told and "Hash" not in told and "Seq Scan on tasks" not in told, told
