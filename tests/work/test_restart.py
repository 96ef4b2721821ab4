"""Postgres crashes in the middle of several users' work, and recovers: nothing is stranded, nothing is done twice."""

import json
from collections.abc import Callable, Iterator

import pytest

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.model.work.tasks import POLICIES, Claim, TaskRef
from chalicelib.ops.work.engine import run_task
from chalicelib.ops.work.stages import stage_work
from chalicelib.ops.work.wake import wake
from tests.chaos.ground import Ground, ground
from tests.support.emulated import BUCKET
from tests.support.world import World, forget_wiring

AT_ONCE = POLICIES["embed"].at_once
COUNT = AT_ONCE + 5


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    with ground() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        forget_wiring()
        for user, count in (("alice", COUNT), ("bob", 1)):
            made.sql(
                f"INSERT INTO users (id) VALUES ('{user}');"
                "INSERT INTO items (user_id, id, key, name, status, kind)"
                f" SELECT '{user}', n, '{user}/' || n, n, 'PENDING', 'image' FROM generate_series(1, {count}) n;"
                "INSERT INTO tasks (user_id, item_id, stage)"
                f" SELECT '{user}', n, 'embed' FROM generate_series(1, {count}) n"
            )
            wake(user, db=wiring.database(), queues=wiring.queues())
        yield made
        forget_wiring()


def world_of(scene: Ground) -> World:
    """Time and messages of the scene; a new one after each crash, which ends the connections of the one before."""
    return World(db=wiring.database(), admin_url=scene._url, aws=scene.aws, providers=scene.providers)


def do(task: TaskRef, work: Callable[[], None] = lambda: None) -> bool:
    def op(claim: Claim) -> Callable[[object], None]:
        work()
        return lambda tx: None

    db, bus, queues = wiring.pipeline_database(), wiring.bus(), wiring.queues()
    return run_task(task, stage_work(op, bucket=BUCKET), db=db, bus=bus, queues=queues)


def take(world: World) -> list[TaskRef]:
    return [TaskRef(**json.loads(message["body"])["task"]) for message in world.messages()]


def finish_all(scene: Ground) -> None:
    """Ten minutes pass three times, with the relay, the sweeper and all messages that they send."""
    world = world_of(scene)
    world.run = lambda *events: [do(task) for task in take(world)] and world.run()  # type: ignore[method-assign]
    world.heal()


def counts(scene: Ground, event: str) -> dict[str, int]:
    found = scene.sql(
        f"SELECT user_id || '/' || item_id, count(*) FROM item_events WHERE event = '{event}' GROUP BY 1"
    )
    return dict(found)  # type: ignore[arg-type]


def test_work_that_outlives_a_crash_is_finished_by_its_own_worker_once(scene: Ground) -> None:
    first, *_ = take(world_of(scene))

    def crash() -> None:
        scene.crash_postgres()
        scene.start_postgres()

    assert do(first, crash)
    assert scene.sql(f"SELECT state, attempt FROM tasks WHERE id = {first.task_id}") == [("done", 1)]
    finish_all(scene)
    assert scene.sql("SELECT count(*) FROM tasks WHERE state <> 'done'") == [(0,)]
    assert set(counts(scene, "started").values()) == set(counts(scene, "finished").values()) == {1}


def test_messages_that_came_while_it_was_away_are_made_up_for(scene: Ground) -> None:
    """Their deliveries fail, and SQS hides them for 12 minutes; the sweep is faster."""
    tasks = take(world_of(scene))
    scene.crash_postgres()
    for task in tasks:
        with pytest.raises(Unavailable):
            do(task)
    scene.start_postgres()
    finish_all(scene)
    assert scene.sql("SELECT count(*) FROM tasks WHERE state <> 'done'") == [(0,)]
    for task in tasks:  # SQS delivers them again
        assert not do(task)
    assert set(counts(scene, "started").values()) == {1}


def test_workers_that_could_not_write_their_end_hold_up_nobody(scene: Ground) -> None:
    """All of alice's places and bob's only task are lost at once: each is done again, its results are written once."""
    tasks = take(world_of(scene))
    assert len(tasks) == AT_ONCE + 1
    for task in tasks:
        with pytest.raises(Unavailable):
            do(task, scene.crash_postgres)
        scene.start_postgres()
    assert scene.sql("SELECT state, count(*) FROM tasks GROUP BY 1 ORDER BY 1") == [
        ("ready", COUNT - AT_ONCE),
        ("running", AT_ONCE + 1),
    ]
    finish_all(scene)
    assert scene.sql("SELECT count(*) FROM tasks WHERE state <> 'done'") == [(0,)]
    assert set(counts(scene, "finished").values()) == {1}
    assert counts(scene, "started")["bob/1"] == 2


def test_a_crash_between_sending_and_its_commit_sends_twice_and_does_once(scene: Ground) -> None:
    tasks = take(world_of(scene))
    assert do(tasks[0])
    scene.sql("UPDATE tasks SET woken_at = NULL WHERE state = 'ready'")
    assert take(world_of(scene))
    finish_all(scene)
    for task in tasks:
        assert not do(task)
    assert set(counts(scene, "started").values()) == {1}
