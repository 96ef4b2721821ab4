"""Routes of reviews: what is due, the record of a review, what will be due, streaks, settings, the log."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Body, Query, Request, Response, Routes
from chalicelib.api.practice.shapes import Exercise, exercise_of
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.paging import window_in_utc
from chalicelib.model.practice.reviews import (
    DueFilters,
    Rating,
    ReviewSettings,
    Source,
    StoredCard,
    StoredReview,
    date_of,
)
from chalicelib.ops.practice import due, review, review_log, review_settings

routes = Routes("reviews")
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Cursor = Annotated[str, Meta(min_length=1, max_length=400)]
Retention = Annotated[
    float,
    Meta(
        ge=0.7, le=0.97, description="How probable it is to be that an exercise is remembered when it is due."
    ),
]
MAX_LOG_BYTES = 4_000_000
MAX_REFUSED = 100  # lines that are told of; the others are counted


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


class ListDue(Query, frozen=True, kw_only=True):
    """`until`: what is due by then; now, if it is not given."""

    deck_id: Id | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Cursor | None = None


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


class GetLog(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    after: Cursor | None = None


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


@routes.get(
    "/api/v1/reviews/due",
    query=ListDue,
    returns=DueList,
    errors=(NotFound,),
    summary="List the exercises that are due, the longest due first.",
)
def list_due(request: Request) -> DueList:
    query: ListDue = request.query
    now = datetime.now(UTC)
    _, until = window_in_utc(None, query.until)
    found, cursor = due.list_due(
        request.user_id,
        DueFilters(until=until or now, deck_id=query.deck_id),
        now=now,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return DueList(data=[_due(each) for each in found], has_more=cursor is not None, next=cursor)


@routes.post(
    "/api/v1/reviews",
    body=NewReview,
    returns=Review,
    status=201,
    also={200: Review},
    errors=(Conflict, NotFound),
    keyed=True,
    summary="Record a review; 200 when a review of this exercise and time is there already.",
)
def create_review(request: Request) -> Response:
    body: NewReview = request.body
    now = datetime.now(UTC)
    new = StoredReview(
        id=str(request.creation_id),
        exercise_id=body.exercise_id,
        rating=body.rating,
        reviewed_at=body.reviewed_at or now,
        duration_ms=body.duration_ms,
        source="review",
    )
    stored, card, is_new = review.record_review(request.user_id, new, now=now, db=wiring.database())
    return Response(Review(**asdict(stored), card=_card(card)), status=201 if is_new else 200)


@routes.get(
    "/api/v1/reviews/forecast",
    query=GetForecast,
    returns=Forecast,
    errors=(NotFound,),
    summary="Read how many exercises will be due on each of the next days.",
)
def get_forecast(request: Request) -> Forecast:
    query: GetForecast = request.query
    found = due.forecast_due(
        request.user_id,
        deck_id=query.deck_id,
        days=query.days,
        now=datetime.now(UTC),
        db=wiring.database(),
    )
    days = [DayCount(date=date_of(found.first_day + n), due=count) for n, count in enumerate(found.counts)]
    return Forecast(overdue=found.overdue, days=days)


@routes.get(
    "/api/v1/reviews/streak",
    returns=Streak,
    summary="Read on how many days in a row you have reviewed something.",
)
def get_streak(request: Request) -> Streak:
    found = due.read_streaks(request.user_id, now=datetime.now(UTC), db=wiring.database())
    return Streak(
        current_days=found.current,
        longest_days=found.longest,
        last_date=None if found.last_day is None else date_of(found.last_day),
    )


@routes.get("/api/v1/reviews/settings", returns=Settings, summary="Read how you are asked.")
def get_review_settings(request: Request) -> Settings:
    return _settings(review_settings.read_settings(request.user_id, db=wiring.database()))


@routes.patch(
    "/api/v1/reviews/settings",
    body=SettingsChange,
    returns=Settings,
    summary="Change how you are asked; an exercise follows at its next review, all of them by a job plan_reviews.",
)
def change_review_settings(request: Request) -> Settings:
    body: SettingsChange = request.body
    changed = review_settings.change_settings(
        request.user_id,
        desired_retention=None if body.desired_retention is UNSET else body.desired_retention,
        day_begins_utc_hour=None if body.day_begins_utc_hour is UNSET else body.day_begins_utc_hour,
        new_a_day=None if body.new_a_day is UNSET else body.new_a_day,
        forget_parameters=body.parameters is None,
        db=wiring.database(),
    )
    return _settings(changed)


@routes.get(
    "/api/v1/reviews/log",
    query=GetLog,
    returns="application/x-ndjson",
    summary="Read your reviews, oldest first, in JSON lines; a header Link leads to the next ones.",
)
def get_review_log(request: Request) -> Response:
    query: GetLog = request.query
    lines, cursor = review_log.write_log(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    more = f'</api/v1/reviews/log?after={cursor}&limit={query.limit}>; rel="next"'
    return Response(lines.decode(), headers={"Link": more} if cursor else {})


@routes.post(
    "/api/v1/reviews/log",
    raw="application/x-ndjson",
    max_body_bytes=MAX_LOG_BYTES,
    returns=TakenLog,
    keyed=True,
    cost="costly",
    summary="Send reviews in JSON lines, as the log has them; a line that is wrong is left out and named.",
)
def take_review_log(request: Request) -> TakenLog:
    taken = review_log.take_log(request.user_id, request.body, now=datetime.now(UTC), db=wiring.database())
    told = [RefusedLine(line=each.line, message=each.message) for each in taken.refused[:MAX_REFUSED]]
    return TakenLog(new=taken.new, known=taken.known, refused_count=len(taken.refused), refused=told)


def _due(found: "due.DueCard") -> DueExercise:
    again, hard, good, easy = found.intervals
    return DueExercise(
        exercise=exercise_of(found.exercise),
        card=_card(found.card),
        intervals=Intervals(again=again, hard=hard, good=good, easy=easy),
    )


def _card(stored: StoredCard) -> Card:
    interval = stored.interval_days
    state = "new" if interval is None else "learning" if interval < 1 else "review"
    values = {name: value for name, value in asdict(stored).items() if name != "exercise_id"}
    return Card(**values, state=state)  # type: ignore[arg-type]


def _settings(stored: ReviewSettings) -> Settings:
    return Settings(**{name: value for name, value in asdict(stored).items() if name != "version"})
