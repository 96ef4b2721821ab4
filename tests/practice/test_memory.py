"""Memory by FSRS-6: the library's intervals, full days, and the fit of parameters."""

from random import Random

import fsrs_rs_python as library
import pytest

from chalicelib.model.practice.memory import (
    FULL_DAY,
    choose_days,
    fit_parameters,
    movable_days,
    plan_next,
    preview_intervals,
)
from tests.practice.conftest import NAMES, RARE_FORGETTER, learn


@pytest.mark.parametrize("parameters", [None, RARE_FORGETTER])
def test_intervals_are_the_librarys_step_by_step(parameters: list[float] | None) -> None:
    scheduler = library.FSRS(parameters or library.DEFAULT_PARAMETERS)
    chance = Random(6)
    for _ in range(50):
        day, memory, history = 0, None, []
        for _ in range(chance.randint(1, 12)):
            days = chance.choice((0, 0, 1, 3, 10, 60)) if history else 0
            day, rating = day + days, chance.randint(1, 4)
            states = scheduler.next_states(memory, 0.85, days)
            if memory is not None:
                shown = preview_intervals(
                    parameters, (memory.stability, memory.difficulty), days=days, retention=0.85
                )
                assert shown == pytest.approx([getattr(states, name).interval for name in NAMES])
            expected = getattr(states, NAMES[rating - 1])
            memory = expected.memory
            history.append((day, rating))
            planned = plan_next(parameters, history, retention=0.85)
            assert planned.interval_days == pytest.approx(min(expected.interval, 36_500), rel=1e-5)
            assert planned.stability == pytest.approx(memory.stability, rel=1e-5)


def test_a_higher_retention_asks_earlier() -> None:
    history = [(0, 3), (3, 3), (10, 3)]
    asked = [plan_next(None, history, retention=each).interval_days for each in (0.7, 0.8, 0.9, 0.97)]
    assert asked == sorted(asked, reverse=True) and asked[0] > 2 * asked[-1]


def test_a_full_day_gives_cards_to_the_days_around_it() -> None:
    load: dict[int, int] = {}
    for _ in range(100):
        day = choose_days(20.0, from_day=0, load=load)
        load[day] = load.get(day, 0) + 1
    allowed = movable_days(20.0)
    assert set(load) == set(allowed) and list(allowed) == list(range(17, 24))
    assert min(load.values()) >= FULL_DAY and max(load.values()) <= 15
    assert choose_days(20.0, from_day=0, load={20: FULL_DAY - 1}) == 20
    assert [choose_days(days, from_day=0, load={1: 99, 2: 99}) for days in (0.6, 1.4, 2.4)] == [1, 1, 2]


def test_parameters_of_an_unusual_learner_are_found_by_the_fit() -> None:
    histories = learn(RARE_FORGETTER, cards=160, seed=1)
    fit = fit_parameters(histories, [[day for day, _ in history] for history in histories])
    assert fit is not None and fit.is_better and fit.reviews == 800
    assert fit.parameters[2] > 3 * library.DEFAULT_PARAMETERS[2]
    assert fit.log_loss_fitted < fit.log_loss_default - 0.02


def test_a_short_log_is_not_fitted() -> None:
    histories = learn(RARE_FORGETTER, cards=60, seed=2)
    assert fit_parameters(histories, [[day for day, _ in history] for history in histories]) is None
    assert fit_parameters([], []) is None
