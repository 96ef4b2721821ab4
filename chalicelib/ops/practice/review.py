"""Record reviews: those that a user sends, and graded answers that count as one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.model.practice.exercises import StoredEvaluation
from chalicelib.model.practice.reviews import EARLIEST, StoredCard, StoredReview, rating_of
from chalicelib.ops.practice.plan import plan_reviewed
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import cards, exercises, reviews

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

AHEAD = timedelta(minutes=5)  # a client's clock may be ahead of ours by so much


def record_review(
    user_id: str, review: StoredReview, *, now: datetime, db: "Database"
) -> tuple[StoredReview, StoredCard, bool]:
    """Store the review and plan its exercise anew. Return the review, the card, and whether the review is new.

    The same review again changes nothing. Raise NotFound; InvalidInput for a time that cannot be; Conflict when the
    exercise has another rating at this time.
    """
    check_time(review.reviewed_at, now=now)

    def record(tx: Tx) -> tuple[StoredReview, StoredCard, bool]:
        exercises.get(tx, user_id, review.exercise_id, field="exercise_id")
        if insert_reviews(tx, user_id, [review]):
            (card,) = plan_reviewed(tx, user_id, [review.exercise_id])
            return review, card, True
        stored = reviews.find_same(tx, user_id, review)
        assert stored is not None
        if (stored.rating, stored.exercise_id) != (review.rating, review.exercise_id):
            said = "This exercise has a review of this time with another rating; send the right reviewed_at."
            raise Conflict(said, code="review_differs", field="reviewed_at")
        found = cards.find(tx, user_id, review.exercise_id)
        assert found is not None
        return stored, found, False

    return db.transact(user_id, record)


def insert_reviews(tx: Tx, user_id: str, given: Sequence[StoredReview]) -> list[str]:
    """Store reviews of existing exercises, make their cards, and return the ids of those that are new."""
    users.ensure(tx, user_id)
    ids = sorted({review.exercise_id for review in given})
    cards.insert_new(tx, user_id, [(each, given[0].reviewed_at) for each in ids])
    cards.lock(tx, user_id, ids)  # two reviews of a card at once wait for each other
    return reviews.insert(tx, user_id, given)


def count_evaluation(tx: Tx, user_id: str, evaluation: StoredEvaluation) -> None:
    """Count a graded answer as a review, if its exercise is in a deck or was reviewed before."""
    if cards.find(tx, user_id, evaluation.exercise_id) is None:
        return
    seconds = evaluation.time_spent_seconds
    review = StoredReview(
        id=evaluation.id,
        exercise_id=evaluation.exercise_id,
        rating=rating_of(evaluation.score),
        reviewed_at=evaluation.evaluated_at,
        duration_ms=None if seconds is None else seconds * 1000,
        source="evaluation",
    )
    if insert_reviews(tx, user_id, [review]):
        plan_reviewed(tx, user_id, [review.exercise_id])


def check_time(reviewed_at: datetime, *, now: datetime) -> None:
    """Raise InvalidInput for a time that is no past moment since 1970."""
    if not EARLIEST <= reviewed_at <= now + AHEAD:
        raise InvalidInput(
            "reviewed_at must be between 1970-01-02 and now; a clock may be ahead by five minutes.",
            field="reviewed_at",
        )


def review_id_of(exercise_id: str, reviewed_at: datetime) -> str:
    """Return the id of a review that came without one: the same for the same exercise and time."""
    return str(uuid5(NAMESPACE_OID, f"{exercise_id} {reviewed_at.astimezone(UTC).isoformat()}"))
