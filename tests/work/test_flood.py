"""One user's many tasks do not hold up another's single one. Queue, poller and ledger are real."""

import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from moto.sqs.models import sqs_backends

from chalicelib import wiring
from chalicelib.model.work.tasks import TaskRef
from chalicelib.ops.work.engine import run_task
from chalicelib.ops.work.stages import stage_work
from chalicelib.ops.work.wake import wake
from local.invocations import Outcome
from local.layout import ACCOUNT, REGION
from local.queue_poller import QueuePoller
from tests.support.emulated import BUCKET
from tests.support.world import World

PLACES = 3
GUESTS = 8


class Function:
    """The function of the queue `embed`, whose work takes 10 ms; it notes which user's turn began when."""

    def __init__(self, world: World) -> None:
        self.turns: list[str] = []
        self.waits_s: dict[str, float] = {}
        self._world = world
        self._asked_at: dict[str, float] = {}
        self._lock = threading.Lock()
        queue: Any = sqs_backends[ACCOUNT][REGION].get_queue("collections-local-embed")
        mapping = SimpleNamespace(
            event_source_arn="embed",
            function_arn="f",
            batch_size=1,
            enabled=True,
            function_response_types=None,
        )
        self.poller = QueuePoller(mapping, queue, places=PLACES, invoke=self._invoke)

    def ask(self, user: str, count: int) -> int:
        """Make the user's tasks and wake them as a request does; return how many turns began before."""
        self._world.sql(
            f"INSERT INTO users (id) VALUES ('{user}');"
            "INSERT INTO items (user_id, id, key, name, status, kind)"
            f" SELECT '{user}', n, '{user}/' || n, n, 'PENDING', 'image' FROM generate_series(1, {count}) n;"
            "INSERT INTO tasks (user_id, item_id, stage)"
            f" SELECT '{user}', n, 'embed' FROM generate_series(1, {count}) n; ANALYZE tasks"
        )
        self._asked_at[user] = time.monotonic()
        wake(user, db=self._world.db, queues=wiring.queues())
        return len(self.turns)

    def wait_for(self, turns: int) -> None:
        give_up_at = time.monotonic() + 60 + turns
        while len(self.turns) < turns and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def wait_for_user(self, user: str) -> int:
        """Wait until the user's only task is done; return how many turns began before its own."""
        give_up_at = time.monotonic() + 60
        while user not in self.waits_s and time.monotonic() < give_up_at:
            time.sleep(0.002)
        return self.turns.index(user)

    def _invoke(self, _function: str, payload: bytes) -> Outcome:
        body = json.loads(json.loads(payload)["Records"][0]["body"])
        task = TaskRef(**body["task"])
        with self._lock:
            self.turns.append(task.user_id)
        work = stage_work(lambda claim: time.sleep(0.01) or (lambda tx: None), bucket=BUCKET)
        run_task(task, work, db=self._world.db, bus=wiring.bus(), queues=wiring.queues())
        self.waits_s[task.user_id] = time.monotonic() - self._asked_at[task.user_id]
        return Outcome(payload=b"null", failed=False)


@pytest.fixture
def function(world: World) -> Iterator[Function]:
    made = Function(world)
    yield made
    made.poller.stop()


@pytest.mark.parametrize("count", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_anothers_single_task_has_the_next_free_place(world: World, function: Function, count: int) -> None:
    for number in range(GUESTS):
        function.ask(f"idle-{number}", 1)
        function.wait_for_user(f"idle-{number}")
    function.ask("alice", count)
    turns_between = []
    for number in range(GUESTS):
        function.wait_for(GUESTS + 10 + number * (count // GUESTS - 2))
        asked_after = function.ask(f"guest-{number}", 1)
        turns_between.append(function.wait_for_user(f"guest-{number}") - asked_after)
    assert max(turns_between) <= PLACES, turns_between
    function.wait_for(count + 2 * GUESTS)
    for name in ("idle", "guest"):
        waits = sorted(wait_s for user, wait_s in function.waits_s.items() if user.startswith(name))
        print(name, "waits: median", round(waits[GUESTS // 2], 3), "s, longest", round(waits[-1], 3), "s")
    left = "SELECT count(*) FROM tasks WHERE state <> 'done'"
    give_up_at = time.monotonic() + 60
    while world.sql(left) != [(0,)] and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert (world.sql(left), world.sql("SELECT count(*) FROM item_events WHERE event = 'started'")) == (
        [(0,)],
        [(count + 2 * GUESTS,)],
    )
    assert len(function.turns) <= 1.1 * (count + 2 * GUESTS), "messages are not amplified"
    assert world.aws.received("collections-local-dead-letters") == []
