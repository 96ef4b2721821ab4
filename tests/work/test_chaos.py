"""`make chaos`, smaller: nothing is lost and nothing done twice, whatever dies, hangs, or comes in twice."""

import os

import pytest

from tests.chaos.scenarios import run_backlog, run_chaos, run_poison

SEED = int(os.environ.get("SEED", "7"))


@pytest.mark.slow
def test_300_uploads_through_kills_freezes_crashes_and_lost_events() -> None:
    report = run_chaos(seed=SEED, size=300, say=print)
    assert not report.wrong, report


def test_30_uploads_through_kills_freezes_crashes_and_lost_events() -> None:
    report = run_chaos(seed=SEED, size=30, say=print)
    assert not report.wrong, report


@pytest.mark.parametrize(("size", "minutes"), [(100, 24), pytest.param(3000, 60, marks=pytest.mark.slow)])
def test_a_backlog_is_not_made_longer_by_relays_and_sweeps(size: int, minutes: int) -> None:
    report = run_backlog(seed=SEED, size=size, minutes=minutes)
    assert not report.wrong, report


@pytest.mark.slow
def test_poison_ends_failed_and_holds_up_nobody() -> None:
    report = run_poison(seed=SEED, size=200)
    assert not report.wrong, report


def test_poison_among_12_ends_failed_and_holds_up_nobody() -> None:
    report = run_poison(seed=SEED, size=12, of_each_kind=1)
    assert not report.wrong, report
