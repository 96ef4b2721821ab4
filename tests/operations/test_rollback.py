"""The code goes back to the release before, on this release's schema and rows, and comes again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from chalicelib.stores.postgres.sql import statements
from tests.support.world import World, jpeg

THEN = statements(
    str(Path(__file__).parents[1] / "releases" / "0007_proved_accounts" / "statements" / "tasks.sql")
)
B: dict[str, Any] = {"user_id": "alice", "item_id": "b", "stage": "process"}
# As docs/developing.md says.
GO_BACK = (
    "UPDATE tasks SET woken_at = now() - interval '1 hour' WHERE state = 'ready' AND item_id IS NOT NULL"
)


class ReleaseBefore:
    """Runs the statements of the release before as the roles that it ran them under."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg2.connect(url)

    def as_user(self, name: str, **given: Any) -> Any:
        return self._run("SELECT set_config('app.user_id', 'alice', true)", name, given)

    def as_system(self, name: str, **given: Any) -> Any:
        return self._run("SET LOCAL ROLE collections_system", name, given)

    def _run(self, begin: str, name: str, given: dict[str, Any]) -> Any:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(begin)
            cursor.execute(THEN[name], B | given)
            return cursor.fetchall() if cursor.description else cursor.rowcount


@pytest.fixture
def before(world: World, app_url: str) -> Iterator[ReleaseBefore]:
    """An item whose first stage waits for a place, and two runs, one of them with a dead worker."""
    world.deliver(world.put("alice/b.jpg", jpeg()))
    world.messages()
    world.sql(
        "UPDATE tasks SET woken_at = NULL, run_after = now() - interval '1 hour';"
        "INSERT INTO tasks (user_id, run_id, stage, input, state, token, lease_until)"
        " SELECT 'alice', gen_random_uuid(), 'answer', '{}', state, gen_random_uuid(), now() - interval '1 min'"
        " FROM unnest(ARRAY['ready', 'running']) state"
    )
    release = ReleaseBefore(app_url)
    yield release
    release.connection.close()


def test_the_release_before_works_on_stages_and_leaves_runs_alone(
    world: World, before: ReleaseBefore
) -> None:
    lost = {"grace_s": 300, "limit": 100}
    assert before.as_system("list_lost", **lost) == before.as_system("list_expired", limit=100) == []
    world.sql(GO_BACK)
    assert [row[:3] for row in before.as_system("list_lost", **lost)] == [("alice", "b", "process")]
    ((token, attempt),) = before.as_user("claim", lease_s=150, max_attempts=8)
    assert attempt == 1 and before.as_user("hold", token=token) == [(1,)]
    told = {"code": "x", "message": "x", "last_error": None, "at_least_s": 0, "refund": 0}
    before.as_user("retry", **told, base_s=0, cap_s=0)
    ((token, attempt),) = before.as_user("claim", lease_s=150, max_attempts=8)
    assert attempt == 2 and before.as_user("finish") == 1
    before.as_user("reset", stage="analyze")
    before.as_system("set_woken", stage="analyze", at=None)
    assert world.sql("SELECT stage, state, attempt FROM tasks ORDER BY id") == [
        ("process", "done", 2),
        ("answer", "ready", 0),
        ("answer", "running", 0),
        ("analyze", "ready", 0),
    ]


def test_this_release_goes_on_with_what_the_one_before_has_left(world: World, before: ReleaseBefore) -> None:
    """A task that was woken by an event which nobody takes any more, and one whose worker was stopped."""
    world.sql("DELETE FROM tasks WHERE run_id IS NOT NULL")
    before.as_system("set_woken", at=None)
    world.heal()
    assert world.item("b")["status"] == "READY"
    before.as_user("reset")
    before.as_user("claim", lease_s=150, max_attempts=8)
    world.heal()
    assert world.sql("SELECT DISTINCT state FROM tasks") == [("done",)]
