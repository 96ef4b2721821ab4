"""A run whose workers are killed at any place: every file has its line, and no step is done twice."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.events import handlers
from tests.jobs.test_archives import photos
from tests.support.running import Runner, zipped
from tests.support.world import Message, jpeg


class Killed(BaseException):
    """The worker's process is gone: nothing that follows in it is done."""


class Killer:
    """Kills a worker at a chosen commit: before it, or after it, when the answer is lost."""

    def __init__(self, runner: Runner, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        self.chance, self.left, self.kills = random.Random(seed), 0, 0
        database = wiring.pipeline_database()
        transact = database.transact

        def at_risk(user_id: str, work: Callable[..., Any], **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and self.chance.random() < 0.5:
                raise Killed
            answer = transact(user_id, work, **options)
            if self.left == 0:
                raise Killed
            return answer

        monkeypatch.setattr(database, "transact", at_risk)
        self.runner = runner

    def deliver(self, message: Message, *, is_killed: bool) -> None:
        self.left = self.chance.randint(1, 4) if is_killed else 0  # a stage has three or four commits
        try:
            self.runner.world.deliver(message)
        except Killed:
            self.kills += 1
        finally:
            self.left = 0


def run_through(runner: Runner, killer: Killer, *, kills: int, messages: int) -> None:
    """Deliver all messages, and kill the worker of some; their leases end, and the sweep finds their tasks.

    The driver looks again at every round: the sweep comes when nobody else has anything to do.
    """
    world, doomed = runner.world, set(killer.chance.sample(range(messages), kills))
    number = quiet = 0
    while quiet < 3:
        waiting = world.messages()
        quiet = 0 if waiting else quiet + 1
        for message in waiting:
            killer.deliver(message, is_killed=number in doomed)
            number += 1
        world.sql(
            "UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running';"
            "UPDATE tasks SET run_after = now() WHERE state = 'ready' AND run_after > now()"
        )
        if all('"kind": "job"' in message["body"] for message in waiting):
            world.sql("UPDATE tasks SET woken_at = now() - interval '10 minutes' WHERE woken_at IS NOT NULL")
            world.sweep()
        handlers.minute_passed()


def check(runner: Runner, run_id: str, count: int) -> None:
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["counts"]["remaining"]) == ("succeeded", count, 0)
    world = runner.world
    assert world.sql("SELECT count(*), count(DISTINCT item_id) FROM run_files WHERE outcome = 'done'") == [
        (count, count)
    ]
    assert world.sql("SELECT count(*) FROM items") == [(count,)]
    repeated = (
        "SELECT item_id, stage FROM item_events WHERE event = 'finished' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert world.sql(repeated) == [], "a stage that has finished is not done again"
    assert world.sql("SELECT count(*) FROM item_events WHERE event = 'received'") == [(count,)]


def test_every_file_of_a_run_is_accounted_for_whatever_is_killed(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runner.begin()
    runner.world.deliver(runner.send(run_id, zipped(photos(12)), filename="a.zip"))
    killer = Killer(runner, monkeypatch, seed=1)
    run_through(runner, killer, kills=8, messages=40)
    assert killer.kills >= 6
    check(runner, run_id, 12)


@pytest.mark.slow
def test_a_thousand_files_and_ten_kills(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = runner.begin()
    files = [(f"{number}.jpg", jpeg(color_of(number))) for number in range(1000)]
    runner.world.deliver(runner.send(run_id, zipped(files), filename="a.zip"))
    killer = Killer(runner, monkeypatch, seed=2)
    run_through(runner, killer, kills=14, messages=3000)
    assert killer.kills >= 10
    check(runner, run_id, 1000)


def color_of(number: int) -> str:
    """Return one of a thousand colours that stay apart as JPEG: they are 24 steps of 255 from each other."""
    red, green, blue = number // 100, number // 10 % 10, number % 10
    return f"#{red * 24:02x}{green * 24:02x}{blue * 24:02x}"
