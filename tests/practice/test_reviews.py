"""Reviews over the API: recorded once in whatever order, due when FSRS-6 says, forecast, streaks, settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.model.practice.memory import plan_next
from chalicelib.model.practice.reviews import ReviewSettings
from tests.practice.conftest import make_exercises
from tests.support.talking import Talk

REVIEWS = "/api/v1/reviews"
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def review(talk: Talk, exercise: str, rating: int, at: datetime | None = None, **headers: str) -> Any:
    body = {"exercise_id": exercise, "rating": rating}
    return talk("POST", REVIEWS, body | ({"reviewed_at": at.isoformat()} if at else {}), **headers)


def days_ago(days: int) -> datetime:
    return NOON - timedelta(days=days)


def test_a_card_is_due_when_the_library_says(talk: Talk) -> None:
    (exercise,) = make_exercises(talk, 1)
    history = []
    for rating, ago in ((3, 60), (3, 57), (4, 40)):
        reply = review(talk, exercise, rating, days_ago(ago))
        history.append((-ago, rating))
        card, planned = reply.body["card"], plan_next(None, history, retention=0.9)
        assert reply.status == 201 and card["interval_days"] == pytest.approx(planned.interval_days)
        due = datetime.fromisoformat(card["due_at"])
        settings = ReviewSettings()
        assert settings.day_of(due) == settings.day_of(days_ago(ago)) + round(planned.interval_days)
        assert due.hour == 4
    assert (card["review_count"], card["lapse_count"], card["state"]) == (3, 0, "review")


def test_a_forgotten_card_comes_back_within_hours(talk: Talk) -> None:
    (exercise,) = make_exercises(talk, 1)
    card = review(talk, exercise, 1, days_ago(9)).body["card"]
    assert card["state"] == "learning" and card["interval_days"] < 0.5
    waited = datetime.fromisoformat(card["due_at"]) - days_ago(9)
    assert waited == timedelta(seconds=round(card["interval_days"] * 86_400))


def test_the_same_reviews_in_any_order_make_the_same_card(talk: Talk) -> None:
    first, second = make_exercises(talk, 2)
    events = [(3, 50), (1, 45), (3, 44), (2, 30), (4, 9)]
    for rating, ago in events:
        review(talk, first, rating, days_ago(ago))
    for rating, ago in (events[3], events[0], events[4], events[0], events[2], events[1], events[4]):
        review(talk, second, rating, days_ago(ago))
    rows = talk.world.sql(
        "SELECT stability, difficulty, interval_days, due_at, review_count, lapse_count FROM cards"
    )
    assert rows[0] == rows[1] and rows[0][4:] == (5, 1)


def test_the_same_event_twice_counts_once(talk: Talk) -> None:
    first, second = make_exercises(talk, 2)
    replies = [review(talk, first, 3, days_ago(3), idempotency_key="k").body for _ in range(2)]
    assert replies[0] == replies[1]
    again = review(talk, first, 3, days_ago(3))
    assert (again.status, again.body) == (200, replies[0])
    other = review(talk, first, 1, days_ago(3))
    assert (other.status, other.body["code"]) == (409, "review_differs")
    assert review(talk, second, 3, days_ago(3)).status == 201
    assert talk.world.sql("SELECT count(*) FROM reviews") == [(2,)]
    assert talk.world.sql("SELECT sum(review_count) FROM cards") == [(2,)]


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_cannot_be_is_refused_by_name(talk: Talk, at: str) -> None:
    (exercise,) = make_exercises(talk, 1)
    reply = talk("POST", REVIEWS, {"exercise_id": exercise, "rating": 3, "reviewed_at": at})
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, "reviewed_at")


def test_what_is_wrong_is_named(talk: Talk) -> None:
    (exercise,) = make_exercises(talk, 1)
    for change, field in (
        ({"rating": 0}, "rating"),
        ({"rating": 5}, "rating"),
        ({"rating": True}, "rating"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"reviewed_at": "2026-01-01T00:00:00"}, "reviewed_at"),
    ):
        reply = talk("POST", REVIEWS, {"exercise_id": exercise, "rating": 3, **change})
        assert (reply.status, [each["field"] for each in reply.body["errors"]]) == (400, [field]), change
    missing = talk("POST", REVIEWS, {"exercise_id": "nonsense", "rating": 3})
    assert (missing.status, missing.body["field"]) == (404, "exercise_id")
    for query in ("deck_id=x", "deck_id=00000000-0000-4000-8000-000000000000"):
        for route in ("due", "forecast"):
            reply = talk("GET", f"{REVIEWS}/{route}?{query}")
            assert (reply.status, reply.body["field"]) == (404, "deck_id")
    for change in ({"desired_retention": 0.69}, {"desired_retention": 0.98}, {"new_a_day": 0}):
        reply = talk("PATCH", f"{REVIEWS}/settings", change)
        assert (reply.status, reply.body["errors"][0]["field"]) == (400, next(iter(change)))


def test_due_cards_come_in_pages_the_longest_due_first(talk: Talk) -> None:
    ids = make_exercises(talk, 5)
    for ago, exercise in zip((90, 50, 70, 60, 80), ids, strict=True):
        review(talk, exercise, 3, days_ago(ago))
    review(talk, ids[1], 3)  # not due any more
    talk("PATCH", f"/api/v1/exercises/{ids[2]}", {"retired": True})
    found, cursor = [], ""
    while cursor is not None:
        page = talk("GET", f"{REVIEWS}/due?limit=1{cursor}").body
        found += [each["exercise"]["exercise_id"] for each in page["data"]]
        cursor = f"&after={page['next']}" if page["has_more"] else None
    assert found == [ids[0], ids[4], ids[3]]
    first = talk("GET", f"{REVIEWS}/due?limit=1").body["data"][0]
    intervals = [first["intervals"][name] for name in ("again", "hard", "good", "easy")]
    assert intervals == sorted(intervals) and intervals[0] < 3 < intervals[3]
    assert talk("GET", f"{REVIEWS}/forecast").body["overdue"] == 3


def test_a_graded_answer_counts_once_the_exercise_is_in_a_deck(learner: Talk) -> None:
    spool = {"concept_id": "wear of a bicycle chain", "student_id": "s", "kind": "cloze"}
    exercise = learner("POST", "/api/exercise/generate", spool).body["exercise"]
    answer = {"exercise_id": exercise["exercise_id"], "student_id": "s", "time_spent_seconds": 7}

    def ratings() -> list[Any]:
        right = {**answer, "response_text": exercise["expected_steps"][0]}
        for body in (right, {**answer, "response_text": "an opera"}):
            key = body["response_text"][:2]
            assert learner("POST", "/api/exercise/evaluate", body, idempotency_key=key).status == 200
        return learner.world.sql("SELECT rating, duration_ms, source FROM reviews ORDER BY rating")

    assert ratings() == []
    deck = learner("POST", "/api/v1/decks", {"name": "d"}).body["id"]
    learner("POST", f"/api/v1/decks/{deck}/exercises", {"exercise_ids": [exercise["exercise_id"]]})
    learner.world.sql("DELETE FROM idempotency_keys")
    assert ratings() == ratings() == [(1, 7000, "evaluation"), (3, 7000, "evaluation")]
    assert learner.world.sql("SELECT review_count FROM cards") == [(2,)]


def test_streaks_count_days_in_a_row(talk: Talk) -> None:
    (exercise,) = make_exercises(talk, 1)
    assert talk("GET", f"{REVIEWS}/streak").body["current_days"] == 0
    for ago in (20, 19, 18, 17, 10, 2, 1):
        review(talk, exercise, 3, days_ago(ago))
        review(talk, exercise, 3, days_ago(ago) + timedelta(hours=1))
    streak = talk("GET", f"{REVIEWS}/streak").body
    assert (streak["current_days"], streak["longest_days"]) == (2, 4)
    talk.world.sql("DELETE FROM reviews WHERE reviewed_at > now() - interval '40 hours'")
    assert talk("GET", f"{REVIEWS}/streak").body["current_days"] == 0


def test_a_day_begins_when_the_user_says(talk: Talk) -> None:
    first, second = make_exercises(talk, 2)
    late, early = days_ago(5).replace(hour=23), days_ago(4).replace(hour=2)
    assert talk("PATCH", f"{REVIEWS}/settings", {"day_begins_utc_hour": 0}).status == 200
    cards = []
    for hour, exercise in ((0, first), (4, second)):
        talk("PATCH", f"{REVIEWS}/settings", {"day_begins_utc_hour": hour})
        review(talk, exercise, 3, late)
        cards.append(review(talk, exercise, 3, early).body["card"])
    assert cards[0]["stability"] > cards[1]["stability"], "the next day for one, the same day for the other"


def test_full_days_give_cards_to_the_days_around(talk: Talk) -> None:
    for exercise in make_exercises(talk, 40):
        review(talk, exercise, 4, NOON - timedelta(days=1))
    days = dict(talk.world.sql("SELECT due_at::date, count(*) FROM cards GROUP BY 1"))
    assert len(days) >= 3 and max(days.values()) <= 14


def test_nothing_of_another_is_in_ones_own_numbers(talk: Talk) -> None:
    (exercise,) = make_exercises(talk, 1)
    parts = ("forecast?days=30", "streak", "settings", "due?until=2999-01-01T00:00:00Z")

    def seen() -> list[Any]:
        log = talk.client.http.get(f"{REVIEWS}/log").body
        return [*(talk("GET", f"{REVIEWS}/{part}").body for part in parts), log]

    talk.be("bob")
    nothing = seen()
    talk.be("alice")
    review(talk, exercise, 3, days_ago(1))
    talk("PATCH", f"{REVIEWS}/settings", {"new_a_day": 7})
    assert all(mine != theirs for mine, theirs in zip(seen(), nothing, strict=True))
    talk.be("bob")
    assert seen() == nothing
    assert review(talk, exercise, 3, days_ago(2)).status == 404
