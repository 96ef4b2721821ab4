"""Read what is due, what will be, and how regularly a user reviews."""

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.model.paging import cut_page, encode_cursor, uuid_cursor
from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.model.practice.memory import preview_intervals
from chalicelib.model.practice.reviews import EARLIEST, DueFilters, ReviewSettings, StoredCard
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import cards, decks, exercises, review_settings, reviews

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


class DueCard(Struct, frozen=True, kw_only=True):
    """A card that is due, with its exercise, and the interval in days that each rating would lead to."""

    card: StoredCard
    exercise: StoredExercise
    intervals: tuple[float, float, float, float]


class Streaks(Struct, frozen=True, kw_only=True):
    """Days in a row with a review: up to today or yesterday, and the longest ever. `last_day` counts from 1970."""

    current: int
    longest: int
    last_day: int | None


class Forecast(Struct, frozen=True, kw_only=True):
    """The number of cards that are due before `first_day`, and on each day from it on."""

    overdue: int
    first_day: int
    counts: list[int]


def list_due(
    user_id: str, filters: DueFilters, *, now: datetime, after: str | None, limit: int, db: "Database"
) -> tuple[list[DueCard], str | None]:
    """Return a page of the cards that are due, the longest due first, and the cursor of the next page.

    Raise NotFound for the deck.
    """
    position = uuid_cursor(after)

    def read(tx: Tx) -> tuple[list[DueCard], str | None]:
        if filters.deck_id is not None:
            decks.get(tx, user_id, filters.deck_id, field="deck_id")
        rows = cards.list_due(tx, user_id, filters, after=position, limit=limit + 1)
        page, last = cut_page(rows, limit)
        settings = review_settings.get(tx, user_id)
        found = exercises.list_some(tx, user_id, [card.exercise_id for card in page])
        due = [
            DueCard(
                card=card, exercise=found[card.exercise_id], intervals=_intervals(card, settings, now=now)
            )
            for card in page
        ]
        return due, encode_cursor(last.due_at, last.exercise_id) if last else None

    return db.transact(user_id, read)


def forecast_due(user_id: str, *, deck_id: str | None, days: int, now: datetime, db: "Database") -> Forecast:
    """Count the cards that are due on each of the next days, today first. Raise NotFound for the deck."""

    def read(tx: Tx) -> Forecast:
        if deck_id is not None:
            decks.get(tx, user_id, deck_id, field="deck_id")
        settings = review_settings.get(tx, user_id)
        today = settings.day_of(now)
        counts = cards.count_by_day(
            tx,
            user_id,
            begins_s=settings.day_begins_utc_hour * 3600,
            since=EARLIEST,
            until=settings.beginning_of(today + days),
            deck_id=deck_id,
        )
        overdue = sum(count for day, count in counts.items() if day < today)
        ahead = [counts.get(day, 0) for day in range(today, today + days)]
        return Forecast(overdue=overdue, first_day=today, counts=ahead)

    return db.transact(user_id, read)


def read_streaks(user_id: str, *, now: datetime, db: "Database") -> Streaks:
    """Return how many days in a row the user has reviewed something."""

    def read(tx: Tx) -> Streaks:
        settings = review_settings.get(tx, user_id)
        rows = reviews.list_streaks(tx, user_id, day_begins_utc_hour=settings.day_begins_utc_hour)
        last_day, length = rows[0] if rows else (None, 0)
        goes_on = last_day is not None and last_day >= settings.day_of(now) - 1
        longest = max((count for _, count in rows), default=0)
        return Streaks(current=length if goes_on else 0, longest=longest, last_day=last_day)

    return db.transact(user_id, read)


def _intervals(
    card: StoredCard, settings: ReviewSettings, *, now: datetime
) -> tuple[float, float, float, float]:
    memory, days = None, 0
    if card.stability is not None and card.difficulty is not None and card.last_reviewed_at is not None:
        memory = (card.stability, card.difficulty)
        days = settings.day_of(now) - settings.day_of(card.last_reviewed_at)
    return preview_intervals(settings.parameters, memory, days=days, retention=settings.desired_retention)
