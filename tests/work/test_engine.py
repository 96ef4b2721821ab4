"""The engine's own promises: places, order, wake-ups that no crash loses."""

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Sequence

import psycopg2
import pytest
from moto.sqs.models import sqs_backends

from chalicelib import wiring
from chalicelib.errors import CollectionsError, Unavailable
from chalicelib.events import handlers
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import POLICIES, Claim, TaskRef, Wake
from chalicelib.ops.work.wake import wake
from chalicelib.stores.aws.queues import Queues
from chalicelib.stores.work import tasks
from chalicelib.wiring import clients
from local.layout import ACCOUNT, REGION
from tests.support.world import World, jpeg
from tests.work.engine_tasks import do, woken

AT_ONCE = POLICIES["analyze"].at_once
Sent = tuple[list[Wake], CollectionsError | None]
ALICE_A = ItemRef(user_id="alice", item_id="a")


class Killed(BaseException):
    """Ends a worker past every handler of exceptions, as SIGKILL does."""


class DyingQueues(Queues):
    """Queues whose process dies before or after a message is sent."""

    def __init__(self, *, sends: bool) -> None:
        super().__init__(clients.sqs, prefix="collections-local")
        self._sends = sends

    def send(self, wakes: Sequence[Wake], *, traceparent: str | None = None) -> Sent:
        if self._sends:
            super().send(wakes, traceparent=traceparent)
        if wakes:
            raise Killed
        return [], None


def make_waiting(world: World, user: str, count: int) -> list[TaskRef]:
    """Items whose analysis waits to be woken."""
    world.sql(
        f"INSERT INTO users (id) VALUES ('{user}') ON CONFLICT DO NOTHING;"
        "INSERT INTO items (user_id, id, key, name, status, kind)"
        f" SELECT '{user}', n, '{user}/' || n, n, 'PROCESSING', 'image' FROM generate_series(1, {count}) n;"
        "INSERT INTO tasks (user_id, item_id, stage)"
        f" SELECT '{user}', n, 'analyze' FROM generate_series(1, {count}) n"
    )
    found = world.sql(f"SELECT id FROM tasks WHERE user_id = '{user}' ORDER BY id")
    return [TaskRef(user_id=user, task_id=number, kind="analyze") for (number,) in found]


def test_a_user_has_as_many_messages_as_places_and_the_ledger_keeps_the_order(world: World) -> None:
    waiting = make_waiting(world, "alice", AT_ONCE + 5)
    wake("alice", db=world.db, queues=wiring.queues())
    wake("alice", db=world.db, queues=wiring.queues())
    handlers.minute_passed()
    assert woken(world) == [task.task_id for task in waiting[:AT_ONCE]]
    assert do(waiting[3])
    assert waiting[AT_ONCE].task_id in woken(world)


@pytest.mark.parametrize("steps", [40, pytest.param(170, marks=pytest.mark.slow, id="1000 commits")])
def test_never_more_at_once_than_allowed_however_claims_interleave(world: World, steps: int) -> None:
    """Threads claim, finish and give up at random; how many are running is looked at after every commit."""
    waiting = make_waiting(world, "alice", 60)
    most: list[int] = []

    def take_and_finish(seed: int) -> None:
        rng = random.Random(seed)
        held: list[Claim] = []
        for _ in range(steps):
            task = rng.choice(waiting)
            if held and rng.random() < 0.4:
                claim = held.pop(rng.randrange(len(held)))
                world.db.transact(
                    "alice", lambda tx, claim=claim: (tasks.hold(tx, claim), tasks.release(tx, claim))
                )  # type: ignore[misc]
            elif claimed := world.db.transact("alice", lambda tx, task=task: tasks.claim(tx, task)):  # type: ignore[misc]
                held.append(claimed)
            most.append(count())

    def count() -> int:
        row = world.db.transact(
            "alice", lambda tx: tx.one("SELECT count(*) AS n FROM tasks WHERE state = 'running'")
        )
        assert row is not None
        return int(row["n"])

    threads = [threading.Thread(target=take_and_finish, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == AT_ONCE
    assert len(most) == 6 * steps


def test_what_is_at_work_is_counted_wherever_it_stands_in_the_order(world: World) -> None:
    """Hatchet #4778: ids are given at INSERT and rows are seen at COMMIT, and only the first rows were counted.

    Tasks with lower ids become visible after others have taken all places.
    """
    world.sql("INSERT INTO users (id) VALUES ('alice')")
    late = psycopg2.connect(world.admin_url)
    with late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO items (user_id, id, key, name, status, kind)"
            " SELECT 'alice', 'late' || n, 'alice/late' || n, n, 'PROCESSING', 'image'"
            f" FROM generate_series(1, {AT_ONCE}) n;"
            "INSERT INTO tasks (user_id, item_id, stage, woken_at)"
            f" SELECT 'alice', 'late' || n, 'analyze', now() FROM generate_series(1, {AT_ONCE}) n RETURNING id"
        )
        first = [TaskRef(user_id="alice", task_id=row[0], kind="analyze") for row in cursor.fetchall()]
    running = make_waiting(world, "alice", AT_ONCE)
    assert max(task.task_id for task in first) < min(task.task_id for task in running)
    for task in running:
        assert world.db.transact("alice", lambda tx, task=task: tasks.claim(tx, task)) is not None  # type: ignore[misc]
    late.commit()
    late.close()
    for task in first:
        assert not do(task)
    handlers.minute_passed()
    assert woken(world) == []
    assert world.sql("SELECT count(*) FROM tasks WHERE state = 'running'") == [(AT_ONCE,)]


def test_a_task_without_a_place_waits_for_one_without_a_message(world: World) -> None:
    waiting = make_waiting(world, "alice", AT_ONCE + 1)
    for task in waiting[:AT_ONCE]:
        assert world.db.transact("alice", lambda tx, task=task: tasks.claim(tx, task)) is not None  # type: ignore[misc]
    world.sql("UPDATE tasks SET woken_at = now() WHERE state = 'ready'")
    assert not do(waiting[-1])
    assert woken(world) == []
    world.sql(f"UPDATE tasks SET lease_until = now() - interval '1 s' WHERE id = {waiting[0].task_id}")
    handlers.minute_passed()
    assert woken(world) == [waiting[-1].task_id], "a dead worker's place is free when its lease is over"


def test_messages_of_one_user_are_one_group(world: World) -> None:
    for user, count in (("alice", 3), ("bob", 2), ("carol", 1)):
        make_waiting(world, user, count)
    handlers.minute_passed()
    queue = sqs_backends[ACCOUNT][REGION].get_queue("collections-local-analyze")
    groups = Counter(message.group_id for message in queue._messages)
    assert sorted(groups.values()) == [1, 2, 3]
    assert all(re.fullmatch("[0-9a-f]{32}", group) for group in groups)


def test_another_users_places_are_their_own(world: World) -> None:
    make_waiting(world, "alice", 50)
    (bobs,) = make_waiting(world, "bob", 1)
    handlers.minute_passed()
    assert bobs.task_id in woken(world)


@pytest.mark.parametrize("sends", [False, True])
def test_a_worker_that_dies_before_the_next_wake_up_loses_nothing_without_the_relay(
    world: World, sends: bool
) -> None:
    """SQS delivers its message again, and that delivery sends what was not sent."""
    world.deliver(world.put("alice/a.jpg", jpeg()))
    (message,) = world.messages()
    task = TaskRef(**json.loads(message["body"])["task"])
    with pytest.raises(Killed):
        do(task, DyingQueues(sends=sends))
    assert world.sql("SELECT stage, state, woken_at FROM tasks ORDER BY id") == [
        ("process", "done", world.sql("SELECT woken_at FROM tasks WHERE stage = 'process'")[0][0]),
        ("analyze", "ready", None),
    ]
    world.messages()
    world.deliver(message)
    assert woken(world) == [world.task(ALICE_A, "analyze").task_id]


def test_a_queue_that_is_away_has_the_message_delivered_again(world: World) -> None:
    world.deliver(world.put("alice/a.jpg", jpeg()))
    (message,) = world.messages()

    class Away(Queues):
        def send(self, wakes: Sequence[Wake], *, traceparent: str | None = None) -> Sent:
            return list(wakes), Unavailable("away")

    with pytest.raises(Unavailable):
        do(TaskRef(**json.loads(message["body"])["task"]), Away(clients.sqs, prefix="x"))
    world.deliver(message)
    assert woken(world) == [world.task(ALICE_A, "analyze").task_id]


def test_a_wait_is_a_delayed_message_and_a_long_one_is_the_relays(world: World) -> None:
    first, second, _ = make_waiting(world, "alice", 3)
    world.sql(f"UPDATE tasks SET run_after = now() + interval '5 min' WHERE id = {first.task_id}")
    world.sql(f"UPDATE tasks SET run_after = now() + interval '1 hour' WHERE id = {second.task_id}")

    delays: dict[int, int] = {}

    class Seen(Queues):
        def send(self, wakes: Sequence[Wake], *, traceparent: str | None = None) -> Sent:
            delays.update({each.task.task_id: each.delay_s for each in wakes})
            return [], None

    seen = Seen(clients.sqs, prefix="x")
    wake("alice", db=world.db, queues=seen)
    assert 290 < delays.pop(first.task_id) <= 300
    assert second.task_id not in delays and [*delays.values()] == [0]
    world.sql(f"UPDATE tasks SET run_after = now() + interval '14 min' WHERE id = {second.task_id}")
    wake("alice", db=world.db, queues=seen)
    assert 800 < delays[second.task_id] <= 900
