"""Figures of benchmarks and their goals: bench/goals.toml says how good each is to be, and how far the open ones are.

A figure holds if it is as good as its goal, or, where the goal is openly missed, no worse than is stated there. So
only what got worse fails. Milliseconds are of a machine: they are compared after they were divided by the time of a
fixed piece of work, and multiplied by the time that this takes on the machine of the stated ones.
"""

import os
import time
import tomllib
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

GOALS = Path(__file__).with_name("goals.toml")
RECORD = "BENCH_RECORD"  # the variable with the file that `python -m bench` collects figures from
LOOP_MS = 12.0  # of the machine on which the stated milliseconds were measured
LOOP_ROUNDS = 25


class Goal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bound; `now`, if it is missed, what is stated instead, and why. `unit` is "x" for ratios."""

    unit: str
    at_most: float | None = None
    at_least: float | None = None
    now: float | None = None
    why: str = ""

    @property
    def bound(self) -> float:
        bound = self.at_most if self.at_most is not None else self.at_least
        assert bound is not None
        return bound

    def is_met_by(self, value: float, *, bound: float) -> bool:
        return value <= bound if self.at_most is not None else value >= bound


class Figure(Struct, frozen=True, kw_only=True):
    """A value that was measured. `state` is held, missed (as stated) or worse."""

    name: str
    value: float
    unit: str
    goal: float
    is_least: bool
    state: str


@cache
def goals() -> dict[str, Goal]:
    import msgspec

    return msgspec.convert(tomllib.loads(GOALS.read_text()), dict[str, Goal])


def note(name: str, value: float) -> bool:
    """Judge a figure, and record it if a run is recorded. Return False if it is worse than is stated."""
    goal = goals()[name]
    value = value * LOOP_MS / loop_ms() if goal.unit in ("ms", "us") else value
    figure = judge(name, value, goal)
    if path := os.environ.get(RECORD):
        with Path(path).open("a") as file:
            file.write(msgspec.json.encode(figure).decode() + "\n")
    return figure.state != "worse"


def judge(name: str, value: float, goal: Goal) -> Figure:
    state = "held"
    if not goal.is_met_by(value, bound=goal.bound):
        is_as_stated = goal.now is not None and goal.is_met_by(value, bound=goal.now)
        state = "missed" if is_as_stated else "worse"
    return Figure(
        name=name,
        value=round(value, 4),
        unit=goal.unit,
        goal=goal.bound,
        is_least=goal.at_least is not None,
        state=state,
    )


@cache
def loop_ms() -> float:
    """Return the CPU milliseconds of a fixed piece of work, the best of some rounds: how fast this machine is now."""
    return min(_loop_ms() for _ in range(LOOP_ROUNDS))


def _loop_ms() -> float:
    began = time.process_time()
    words: dict[str, int] = {}
    for number in range(60_000):
        word = f"w{number * 7919 % 5003}"
        words[word] = words.get(word, 0) + len(word)
    assert len(words) == 5003
    return (time.process_time() - began) * 1000
