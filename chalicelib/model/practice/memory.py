"""Memory by FSRS-6: how well an exercise is remembered, when it is due, and parameters fitted to a log of reviews.

fsrs-rs-python computes all of it; https://github.com/open-spaced-repetition/awesome-fsrs/wiki/The-Algorithm has the
formulas. It is loaded at first use. A history is a card's reviews in order, each as (day, rating); days count from any
day, ratings from 1 (again) to 4 (easy).
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

History = Sequence[tuple[int, int]]
MAX_INTERVAL_DAYS = 36_500.0  # Anki's
# Anki's: below half a day an interval is waited for to the second, above it is a number of days.
SHORT_DAYS = 0.5
# Anki's fuzz (rslib/src/scheduler/states/fuzz.rs): from such an interval on, this share of it may be moved.
_FUZZ_FROM_DAYS = 2.5
_FUZZ = ((2.5, 7.0, 0.15), (7.0, 20.0, 0.1), (20.0, MAX_INTERVAL_DAYS, 0.05))
FULL_DAY = 10  # cards; a day with fewer takes every card that falls on it
MAX_FITTED = 30_000  # reviews, the newest
MIN_FITTED = 400  # Anki's
MAX_REPETITIONS = (
    64  # of a card; what follows tells little, and every one of them costs the whole history again
)
HELD_BACK_TENTHS = (5, 6, 7, 8, 9)
EPOCHS, LEARNING_RATE = 25, 0.04  # the library's own 5 epochs are made for longer logs (docs/reviews.md)


class Planned(Struct, frozen=True, kw_only=True):
    """The state of a memory after its last review, and the interval to the next one, before it is moved to a day."""

    stability: float
    difficulty: float
    interval_days: float


class Fit(Struct, frozen=True, kw_only=True):
    """Parameters fitted to all reviews, and the mean log losses on the held-back ones, a pair (default, fitted) a fold.

    A fold is a tenth of the reviews; the parameters that are tried on it are fitted to all earlier ones.
    """

    parameters: list[float]
    folds: tuple[tuple[float, float], ...]
    reviews: int

    @property
    def log_loss_default(self) -> float:
        return sum(default for default, _ in self.folds) / len(self.folds)

    @property
    def log_loss_fitted(self) -> float:
        return sum(fitted for _, fitted in self.folds) / len(self.folds)

    @property
    def is_better(self) -> bool:
        return self.log_loss_fitted < self.log_loss_default


def plan_next(parameters: Sequence[float] | None, history: History, *, retention: float) -> Planned:
    """Return the state after the history's last review. `parameters` None: the defaults."""
    before = _state(parameters, history[:-1])
    days = history[-1][0] - history[-2][0] if before is not None else 0
    states = _scheduler(parameters).next_states(before, retention, days)
    after = (states.again, states.hard, states.good, states.easy)[history[-1][1] - 1]
    return Planned(
        stability=after.memory.stability,
        difficulty=after.memory.difficulty,
        interval_days=min(after.interval, MAX_INTERVAL_DAYS),
    )


def preview_intervals(
    parameters: Sequence[float] | None, memory: tuple[float, float] | None, *, days: int, retention: float
) -> tuple[float, float, float, float]:
    """Return the interval in days that each rating would lead to. `memory` is (stability, difficulty), None if new."""
    state = _library().MemoryState(*memory) if memory is not None else None
    states = _scheduler(parameters).next_states(state, retention, max(days, 0))
    found = (states.again, states.hard, states.good, states.easy)
    a, b, c, d = (min(each.interval, MAX_INTERVAL_DAYS) for each in found)
    return a, b, c, d


def movable_days(interval_days: float) -> range:
    """Return the numbers of days that an interval may become."""
    exact = max(1, int(interval_days + 0.5))
    if interval_days < _FUZZ_FROM_DAYS:
        return range(exact, exact + 1)
    delta = 1.0 + sum(share * max(min(interval_days, end) - start, 0.0) for start, end, share in _FUZZ)
    return range(max(2, int(interval_days - delta + 0.5)), int(interval_days + delta + 0.5) + 1)


def choose_days(interval_days: float, *, from_day: int, load: Mapping[int, int]) -> int:
    """Return the interval in whole days: the nearest, or if that day is full, the least full one that is allowed.

    `load` has the number of cards due on each day.
    """
    exact = max(1, int(interval_days + 0.5))
    if load.get(from_day + exact, 0) < FULL_DAY:
        return exact
    return min(
        movable_days(interval_days), key=lambda days: (load.get(from_day + days, 0), abs(days - exact), days)
    )


def fit_parameters(
    histories: Sequence[History],
    reviewed: Sequence[Sequence[float]],
    *,
    tenths: Sequence[int] = HELD_BACK_TENTHS,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Fit | None:
    """Fit parameters to these histories, and compare them with the defaults. Return None for fewer than MIN_FITTED.

    `reviewed` has the time of each review, as numbers that can be compared. Only the first review of a day is
    predicted, as for Anki. 6,300 reviews take 0.9 s of CPU.
    """
    predicted = sorted(
        (
            (at[n], history[: n + 1])
            for history, at in zip(histories, reviewed, strict=True)
            for n in range(1, min(len(history), MAX_REPETITIONS))
            if history[n][0] > history[n - 1][0]
        ),
        key=lambda each: each[0],
    )[-MAX_FITTED:]
    size = len(predicted)
    if size < MIN_FITTED:
        return None
    known = [history for _, history in predicted]
    lines = [_item(history) for history in known]
    folds = []
    for tenth in tenths:
        begin, end = size * tenth // 10, size * (tenth + 1) // 10
        held_back = known[begin:end]
        fitted = _fit(lines[:begin], epochs, learning_rate)
        folds.append((log_loss(None, held_back), log_loss(fitted, held_back)))
    return Fit(parameters=_fit(lines, epochs, learning_rate), folds=tuple(folds), reviews=size)


def log_loss(parameters: Sequence[float] | None, histories: Sequence[History]) -> float:
    """Return the mean log loss of what is predicted for the last review of each history: recalled, or not."""
    states = _scheduler(parameters).memory_state_batch([_item(history[:-1]) for history in histories])
    decay = (parameters or _library().DEFAULT_PARAMETERS)[20]
    factor = 0.9 ** (-1 / decay) - 1
    loss = 0.0
    for history, state in zip(histories, states, strict=True):
        days = history[-1][0] - history[-2][0]
        recalled = (1 + factor * days / state.stability) ** -decay
        recalled = min(max(recalled, 0.0001), 0.9999)
        loss -= math.log(recalled if history[-1][1] > 1 else 1 - recalled)
    return loss / len(histories)


def _fit(lines: Sequence[Any], epochs: int, learning_rate: float) -> list[float]:
    config = _library().TrainingConfig(num_epochs=epochs, learning_rate=learning_rate)
    return list(_scheduler(None).compute_parameters(lines, training_config=config))


def _state(parameters: Sequence[float] | None, history: History) -> Any:
    return _scheduler(parameters).memory_state(_item(history)) if history else None


def _item(history: History) -> Any:
    library = _library()
    days = [history[0][0], *(day for day, _ in history)]
    return library.FSRSItem(
        [
            library.FSRSReview(rating, day - before)
            for (day, rating), before in zip(history, days, strict=False)
        ]
    )


def _scheduler(parameters: Sequence[float] | None) -> Any:
    return _scheduler_of(tuple(parameters) if parameters else None)


@cache
def _scheduler_of(parameters: tuple[float, ...] | None) -> Any:
    return _library().FSRS(list(parameters or _library().DEFAULT_PARAMETERS))


@cache
def _library() -> Any:
    import fsrs_rs_python

    return fsrs_rs_python
