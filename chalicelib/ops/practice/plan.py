"""Plan when exercises are due: new ones some each day, reviewed ones by FSRS-6, spread over full days."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.model.practice.memory import (
    MAX_INTERVAL_DAYS,
    SHORT_DAYS,
    Planned,
    choose_days,
    movable_days,
    plan_next,
)
from chalicelib.model.practice.reviews import DAY_S, ReviewSettings, StoredCard
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import cards, review_settings, reviews

Log = Sequence[tuple[datetime, int]]


def plan_new(tx: Tx, user_id: str, exercise_ids: Sequence[str], *, now: datetime) -> None:
    """Make cards for those of the exercises that have none: due from today on, `new_a_day` each day."""
    missing = cards.list_missing(tx, user_id, list(dict.fromkeys(exercise_ids)))
    if not missing:
        return
    settings = review_settings.get(tx, user_id)
    day = settings.day_of(now)
    counts = cards.count_by_day(
        tx,
        user_id,
        begins_s=settings.day_begins_utc_hour * 3600,
        since=settings.beginning_of(day),
        until=settings.beginning_of(day + int(MAX_INTERVAL_DAYS)),
        new_only=True,
    )
    due = []
    for exercise_id in missing:
        while counts.get(day, 0) >= settings.new_a_day:
            day += 1
        counts[day] = counts.get(day, 0) + 1
        due.append((exercise_id, settings.beginning_of(day)))
    cards.insert_new(tx, user_id, due)


def plan_reviewed(tx: Tx, user_id: str, exercise_ids: Sequence[str]) -> list[StoredCard]:
    """Compute the cards of reviewed exercises anew from their logs, and return them.

    So it does not matter in which order reviews arrive. The caller has made the cards.
    """
    settings = review_settings.get(tx, user_id)
    cards.lock(tx, user_id, exercise_ids)
    logs = reviews.list_ratings(tx, user_id, exercise_ids)
    plans = {exercise_id: _plan(log, settings) for exercise_id, log in logs.items()}
    load = _load(tx, user_id, logs, plans, settings)
    planned = []
    for exercise_id, log in logs.items():
        due_at = _due_at(log[-1][0], plans[exercise_id].interval_days, load, settings)
        load[settings.day_of(due_at)] += 1
        planned.append(_card(exercise_id, log, plans[exercise_id], due_at))
    cards.update(tx, user_id, planned, planned_with=settings.version)
    return planned


def _plan(log: Log, settings: ReviewSettings) -> Planned:
    history = [(settings.day_of(at), rating) for at, rating in log]
    return plan_next(settings.parameters, history, retention=settings.desired_retention)


def _load(
    tx: Tx, user_id: str, logs: Mapping[str, Log], plans: Mapping[str, Planned], settings: ReviewSettings
) -> Counter[int]:
    """Return how many other cards are due on the days that may be chosen."""
    days = [
        settings.day_of(log[-1][0]) + edge
        for exercise_id, log in logs.items()
        for edge in (movable_days(plans[exercise_id].interval_days)[i] for i in (0, -1))
    ]
    if not days:
        return Counter()
    counts = cards.count_by_day(
        tx,
        user_id,
        begins_s=settings.day_begins_utc_hour * 3600,
        since=settings.beginning_of(min(days)),
        until=settings.beginning_of(max(days) + 1),
        without=list(logs),
    )
    return Counter(counts)


def _due_at(
    reviewed_at: datetime, interval_days: float, load: Mapping[int, int], settings: ReviewSettings
) -> datetime:
    if interval_days < SHORT_DAYS:
        return reviewed_at + timedelta(seconds=max(60, round(interval_days * DAY_S)))
    day = settings.day_of(reviewed_at)
    return settings.beginning_of(day + choose_days(interval_days, from_day=day, load=load))


def _card(exercise_id: str, log: Log, plan: Planned, due_at: datetime) -> StoredCard:
    return StoredCard(
        exercise_id=exercise_id,
        stability=plan.stability,
        difficulty=plan.difficulty,
        interval_days=plan.interval_days,
        last_reviewed_at=log[-1][0],
        due_at=due_at,
        review_count=len(log),
        lapse_count=sum(rating == 1 for _, rating in log[1:]),
    )
