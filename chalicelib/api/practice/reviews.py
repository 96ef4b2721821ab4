"""Routes of reviews: what is due, the record of a review, what will be due, streaks, settings, the log."""

from datetime import UTC, datetime

from msgspec import UNSET
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Response, Routes
from chalicelib.api.practice.review_shapes import (
    Card,
    DayCount,
    DueExercise,
    DueList,
    Forecast,
    GetForecast,
    GetLog,
    Intervals,
    ListDue,
    NewReview,
    RefusedLine,
    Review,
    Settings,
    SettingsChange,
    Streak,
    TakenLog,
)
from chalicelib.api.practice.shapes import exercise_of
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.paging import window_in_utc
from chalicelib.model.practice.reviews import (
    DueFilters,
    ReviewSettings,
    StoredCard,
    StoredReview,
    date_of,
)
from chalicelib.ops.practice import due, review, review_log, review_settings

routes = Routes("reviews")
MAX_LOG_BYTES = 4_000_000
MAX_REFUSED = 100  # lines that are told of; the others are counted


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
