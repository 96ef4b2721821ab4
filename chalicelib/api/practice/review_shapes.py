"""Bodies of requests and responses of the routes of reviews."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.http.routes import Body, ListQuery, Query
from chalicelib.api.practice.shapes import Exercise
from chalicelib.model.practice.reviews import (
    Rating,
    Source,
)

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Retention = Annotated[
    float,
    Meta(
        ge=0.7, le=0.97, description="How probable it is to be that an exercise is remembered when it is due."
    ),
]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The state of your memory of an exercise. `state` new: without a review, and the next four are null.

    `stability`: days until it is remembered with 90 percent. `difficulty`: 1 to 10. `interval_days` is FSRS-6's;
    `due_at` may be a day or more beside it, if that day was full.
    """

    state: Literal["new", "learning", "review"]
    stability: float | None
    difficulty: float | None
    interval_days: float | None
    last_reviewed_at: datetime | None
    due_at: datetime
    review_count: int
    lapse_count: int


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """The interval in days that each rating would lead to now."""

    again: float
    hard: float
    good: float
    easy: float


class DueExercise(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["due_exercise"] = "due_exercise"
    exercise: Exercise
    card: Card
    intervals: Intervals


class DueList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[DueExercise]
    has_more: bool
    next: str | None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A review, and the card as it is after all reviews of the exercise. `source`: where the review came from."""

    object: Literal["review"] = "review"
    id: str
    exercise_id: str
    rating: Rating
    reviewed_at: datetime
    duration_ms: int | None
    source: Source
    card: Card


class NewReview(Body, frozen=True, kw_only=True):
    """A review. `rating`: 1 again, 2 hard, 3 good, 4 easy. `reviewed_at` is now if it is not given."""

    exercise_id: Id
    rating: Rating
    reviewed_at: Annotated[datetime, Meta(tz=True)] | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None


class ListDue(ListQuery, frozen=True, kw_only=True):
    """`until`: what is due by then; now, if it is not given."""

    deck_id: Id | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class DayCount(msgspec.Struct, frozen=True, kw_only=True):
    date: date
    due: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The number of exercises due on each of the next days, today first. `overdue` is due from earlier days."""

    object: Literal["forecast"] = "forecast"
    overdue: int
    days: list[DayCount]


class GetForecast(Query, frozen=True, kw_only=True):
    deck_id: Id | None = None
    days: Annotated[int, Meta(ge=1, le=365)] = 30


class Streak(msgspec.Struct, frozen=True, kw_only=True):
    """Days in a row with a review: up to today or yesterday, and the longest row ever."""

    object: Literal["streak"] = "streak"
    current_days: int
    longest_days: int
    last_date: date | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`parameters`: the 21 of FSRS-6 that were fitted to your log; null while its defaults predict your reviews better.

    The log losses are those of the last fit, on reviews that it had not seen.
    """

    object: Literal["review_settings"] = "review_settings"
    desired_retention: float
    day_begins_utc_hour: int
    new_a_day: int
    parameters: list[float] | None
    fitted_at: datetime | None
    fitted_reviews: int | None
    log_loss_default: float | None
    log_loss_fitted: float | None


class SettingsChange(Body, frozen=True, kw_only=True):
    """`new_a_day`: how many exercises without a review become due on a day. `parameters` null: the defaults again.

    `day_begins_utc_hour`: when your day begins, for intervals of days and for streaks.
    """

    desired_retention: Retention | UnsetType = UNSET
    day_begins_utc_hour: Annotated[int, Meta(ge=0, le=23)] | UnsetType = UNSET
    new_a_day: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    parameters: UnsetType | None = UNSET


class GetLog(ListQuery, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    message: str


class TakenLog(msgspec.Struct, frozen=True, kw_only=True):
    """`known`: reviews of the same exercise and time were there. `refused` has the first 100 of `refused_count`."""

    object: Literal["taken_log"] = "taken_log"
    new: int
    known: int
    refused_count: int
    refused: list[RefusedLine]
