"""Write a user's log of reviews as JSON lines, and take one in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.paging import cut_page, encode_cursor, uuid_cursor
from chalicelib.model.practice.reviews import Rating, Source, StoredReview
from chalicelib.ops.practice.plan import plan_reviewed
from chalicelib.ops.practice.review import check_time, insert_reviews, review_id_of
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import exercises, reviews

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MAX_LINES = 20_000
MAX_LINE_BYTES = 2_000


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the log."""

    exercise_id: Annotated[str, Meta(min_length=1, max_length=64)]
    rating: Rating
    reviewed_at: Annotated[datetime, Meta(tz=True)]
    duration_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    source: Source = "import"


class Refused(Struct, frozen=True, kw_only=True):
    """A line that was not taken, counted from 1, and why."""

    line: int
    message: str


class Taken(Struct, frozen=True, kw_only=True):
    """The number of reviews that are new, and of those that were known, and the lines that were refused."""

    new: int
    known: int
    refused: list[Refused]


def write_log(user_id: str, *, after: str | None, limit: int, db: "Database") -> tuple[bytes, str | None]:
    """Return a page of the log in JSON lines, oldest review first, and the cursor of the next page."""
    position = uuid_cursor(after)
    rows = db.transact(user_id, lambda tx: reviews.list_page(tx, user_id, after=position, limit=limit + 1))
    page, last = cut_page(rows, limit)
    names = Line.__struct_fields__
    lines = [msgspec.json.encode({name: getattr(row, name) for name in names}) + b"\n" for row in page]
    return b"".join(lines), encode_cursor(last.reviewed_at, last.id) if last else None


def take_log(user_id: str, body: bytes, *, now: datetime, db: "Database") -> Taken:
    """Store the reviews of these JSON lines and plan their exercises anew; a line that is wrong is left out.

    Raise InvalidInput for too many lines.
    """
    lines = body.splitlines()
    if len(lines) > MAX_LINES:
        said = f"The log has {len(lines):,} lines; at most {MAX_LINES:,} are taken at once. Divide it."
        raise InvalidInput(said, code="too_many_lines")
    refused, read = list[Refused](), dict[int, StoredReview]()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                read[number] = _read(line, now=now)
            except InvalidInput as error:
                refused.append(Refused(line=number, message=error.message))

    def take(tx: Tx) -> Taken:
        wanted = list({review.exercise_id: None for review in read.values()})
        missing = set(exercises.list_missing(tx, user_id, wanted))
        unknown = [number for number, review in read.items() if review.exercise_id in missing]
        told = [Refused(line=number, message=exercises.no_exercise().message) for number in unknown]
        taken = [review for review in read.values() if review.exercise_id not in missing]
        new = _insert(tx, user_id, taken) if taken else 0
        in_order = sorted([*refused, *told], key=lambda each: each.line)
        return Taken(new=new, known=len(taken) - new, refused=in_order)

    return db.transact(user_id, take)


def _insert(tx: Tx, user_id: str, taken: Sequence[StoredReview]) -> int:
    new = set(insert_reviews(tx, user_id, taken))
    changed = sorted({review.exercise_id for review in taken if review.id in new})
    if changed:
        plan_reviewed(tx, user_id, changed)
    return len(new)


def _read(line: bytes, *, now: datetime) -> StoredReview:
    if len(line) > MAX_LINE_BYTES:
        raise InvalidInput(f"The line has more than {MAX_LINE_BYTES:,} bytes: write one review on it.")
    try:
        read = msgspec.json.decode(line, type=Line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"The line is no review: {error}.") from error
    check_time(read.reviewed_at, now=now)
    return StoredReview(
        id=review_id_of(read.exercise_id, read.reviewed_at),
        exercise_id=read.exercise_id,
        rating=read.rating,
        reviewed_at=read.reviewed_at.astimezone(UTC),
        duration_ms=read.duration_ms,
        source=read.source,
    )
