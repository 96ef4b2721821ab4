"""Goals, what a run of the benchmarks says at its end, its picture, and the comparison of two runs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from bench import figures
from bench.__main__ import MEASUREMENTS, PROJECT, measure, verdict
from bench.compare import moves
from bench.figures import Goal, goals, judge
from bench.plot import part_of_goal, plot

MOST = Goal(unit="x", at_most=3.0, now=4.0, why="reasons")
LEAST = Goal(unit="x", at_least=0.7)


def test_every_goal_has_one_bound_and_every_open_one_its_reason() -> None:
    for name, goal in goals().items():
        assert (goal.at_most is None) != (goal.at_least is None), name
        assert (goal.now is None) == (goal.why == ""), name
        if goal.now is not None:
            assert not goal.is_met_by(goal.now, bound=goal.bound), f"{name}: `now` meets the goal"


def test_every_goal_is_of_a_benchmark_that_notes_it() -> None:
    sources = "".join(path.read_text() for path in (PROJECT / "bench").glob("*.py"))
    for name in goals():
        of, _, figure = name.partition(".")
        module = PROJECT / "bench" / f"{of}.py"
        assert module.exists() and (f'note("{name}"' in sources or f'note(f"{of}.' in module.read_text()), (
            name
        )
        assert f"bench.{of}" in {command[0] for command in MEASUREMENTS}, figure


def test_only_what_is_worse_than_stated_fails() -> None:
    assert [judge("a", value, MOST).state for value in (3.0, 3.1, 4.0, 4.1)] == [
        "held",
        "missed",
        "missed",
        "worse",
    ]
    assert [judge("a", value, LEAST).state for value in (0.7, 0.6)] == ["held", "worse"]
    held, missed, worse = (
        to_dict(judge(name, value, MOST)) for name, value in (("a", 1), ("b", 3.5), ("c", 9))
    )
    assert verdict({"figures": [held, missed], "not_ended": []}) == (
        "goals: 1 held, 1 openly missed (b: bench/goals.toml says why), worse than stated: none",
        True,
    )
    line, is_good = verdict({"figures": [held, worse], "not_ended": ["bench.x"]})
    assert line.endswith("worse than stated: c, bench.x did not end") and not is_good


def to_dict(figure: figures.Figure) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(figure)
    return found


def test_a_benchmark_that_breaks_is_named_without_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    run = measure([["bench.no_such_benchmark"]])
    assert run["not_ended"] == ["bench.no_such_benchmark"] and run["figures"] == []
    printed = capfd.readouterr()
    assert "No module named bench.no_such_benchmark" in printed.out
    assert "Traceback" not in printed.out + printed.err


def test_milliseconds_are_brought_to_one_machines_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(figures.RECORD, str(tmp_path / "figures"))
    monkeypatch.setattr(figures, "loop_ms", lambda: 2 * figures.LOOP_MS)
    figures.note("load.api_ms", 10.0)
    figures.note("load.errors", 1)
    ms, errors = (json.loads(line) for line in (tmp_path / "figures").read_text().splitlines())
    assert (ms["value"], ms["state"]) == (5.0, "held")
    assert (errors["value"], errors["state"]) == (1, "worse")


def run_of(**values: float) -> dict[str, Any]:
    found = [
        to_dict(judge(name, value, LEAST if name == "speed" else MOST)) for name, value in values.items()
    ]
    return {"at": "2026-11-27T00:00:00+00:00", "commit": "a<b", "figures": found}


def test_a_comparison_names_what_moved_by_more_than_a_fifth() -> None:
    before = run_of(same=1.0, slower=1.0, faster=1.0, speed=1.0, gone=1.0)
    after = run_of(same=1.2, slower=1.3, faster=0.7, speed=0.7, new=1.0)
    assert [(name, is_worse) for name, _, _, is_worse in moves(before, after)] == [
        ("slower", True),
        ("faster", False),
        ("speed", True),
    ]


def test_two_runs_are_compared_by_the_command(tmp_path: Path) -> None:
    for name, run in (("1.json", run_of(a=1.0)), ("2.json", run_of(a=2.0))):
        (tmp_path / name).write_text(json.dumps(run))
    ran = subprocess.run(
        [sys.executable, "-m", "bench.compare", tmp_path / "1.json", tmp_path / "2.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert ran.returncode == 1 and "1 -> 2  +100%" in ran.stdout and "worse: 1" in ran.stdout


def test_the_picture_has_a_bar_a_figure_as_long_as_its_part_of_the_goal() -> None:
    run = run_of(half=1.5, over=3.3, speed=1.4)
    drawn = ElementTree.fromstring(plot(run))
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    assert [float(bar.get("width", 0)) for bar in bars] == [70, 154, 70]
    assert [bar.get("fill") for bar in bars] == ["#2a7a4f", "#c98a1b", "#2a7a4f"]
    assert part_of_goal({"value": 0, "goal": 0, "is_least": False}) == 0
