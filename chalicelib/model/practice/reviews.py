"""Reviews of exercises, the cards that say when each is due, and how a user wants to be asked."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

from msgspec import Struct

Rating = Literal[1, 2, 3, 4]  # again, hard, good, easy
Source = Literal["review", "evaluation", "import"]
DAY_S = 86_400
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # so that no day of a review has a negative number


class StoredReview(Struct, frozen=True, kw_only=True):
    """A row of `reviews`."""

    id: str
    exercise_id: str
    rating: Rating
    reviewed_at: datetime
    duration_ms: int | None
    source: Source


class StoredCard(Struct, frozen=True, kw_only=True):
    """A row of `cards`: what is known of a user's memory of an exercise. Without a review the first five are None."""

    exercise_id: str
    stability: float | None
    difficulty: float | None
    interval_days: float | None
    last_reviewed_at: datetime | None
    due_at: datetime
    review_count: int
    lapse_count: int


class DueFilters(Struct, frozen=True, kw_only=True):
    """Cards due until then, of a deck if one is named."""

    until: datetime
    deck_id: str | None = None


class ReviewSettings(Struct, frozen=True, kw_only=True):
    """A row of `review_settings`, or these values for a user who has none. `parameters` None: FSRS-6's defaults.

    A learner's day begins at `day_begins_utc_hour`. The losses are those of the last fit, on held-back reviews.
    """

    version: int = 0
    desired_retention: float = 0.9
    day_begins_utc_hour: int = 4
    new_a_day: int = 20
    parameters: list[float] | None = None
    fitted_at: datetime | None = None
    fitted_reviews: int | None = None
    log_loss_default: float | None = None
    log_loss_fitted: float | None = None

    def day_of(self, at: datetime) -> int:
        """Return the number of the learner's day, counted from 1970."""
        return int((at.timestamp() - self.day_begins_utc_hour * 3600) // DAY_S)

    def beginning_of(self, day: int) -> datetime:
        """Return when the learner's day begins."""
        return datetime.fromtimestamp(0, UTC) + timedelta(days=day, hours=self.day_begins_utc_hour)


def date_of(day: int) -> date:
    """Return the date on which a learner's day begins."""
    return date(1970, 1, 1) + timedelta(days=day)


def rating_of(score: float) -> Rating:
    """Return how a graded answer counts as a review. `easy` is for the learner alone to give."""
    return 1 if score < 0.5 else 2 if score < 0.8 else 3
