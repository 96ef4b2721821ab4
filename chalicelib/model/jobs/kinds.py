"""The kinds of jobs, declared once: what each does, its parameters, and who may make one.

A new kind is an entry here and its step in events/kinds.py.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from chalicelib.model.mistakes import find_mistakes, refuse
from chalicelib.model.practice.exercises import Difficulty, Kind, Language, LifeCategory

JobKind = Literal[
    "anki_export",
    "anki_import",
    "backfill",
    "exercises",
    "export",
    "import",
    "ingest",
    "plan_reviews",
    "reembed",
    "reprocess",
    "zip_import",
]


MAX_EXERCISES = 200  # of one run
Interest = Annotated[str, Meta(min_length=1, max_length=100)]


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parameters of a kind. This one has none."""


class ReprocessParameters(Parameters, frozen=True, kw_only=True):
    """The items that are processed again: those that fulfil all conditions. One is required, or the job's collection.

    `all` is a condition that every item fulfils.
    """

    item_ids: (
        Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...], Meta(max_length=1000)]
        | None
    ) = None
    status: Literal["READY", "FAILED"] | None = None
    kind: Literal["image", "pdf"] | None = None
    all: bool = False

    @property
    def is_limited(self) -> bool:
        return self.all or any((self.item_ids, self.status, self.kind))


class BackfillParameters(Parameters, frozen=True, kw_only=True):
    """The objects that become items: all below your folder in the bucket, or those whose key goes on with `prefix`."""

    prefix: Annotated[str, Meta(max_length=800, pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]*\Z")] = ""


class ExercisesParameters(Parameters, frozen=True, kw_only=True):
    """The exercises to generate; see POST /api/exercise/generate. The job's collection limits the documents."""

    student_id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
    concept_id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")] | None = None
    student_interests: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=20)
    ] = ()
    life_category: LifeCategory = "personal"
    difficulty: Difficulty = "basic"
    kind: Kind | None = None
    language: Language | None = None
    count: Annotated[int, Meta(ge=1, le=MAX_EXERCISES)] = 20
    item_ids: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...],
            Meta(min_length=1, max_length=1000),
        ]
        | None
    ) = None
    first_page: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    last_page: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")] | None = None
    title: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")] = "your text"


class DeckParameters(Parameters, frozen=True, kw_only=True):
    """The deck that is written."""

    deck_id: Annotated[str, Meta(min_length=1, max_length=64)]


class AnkiParameters(Parameters, frozen=True, kw_only=True):
    """The name of the deck that the notes are put into; the package's own name if it is not given."""

    deck_name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class KindOfJob(Struct, frozen=True, kw_only=True):
    """`takes_upload`: a run waits for the file that is uploaded for it. Such a job has no schedule."""

    title: str
    parameters: type[Parameters] = Parameters
    takes_upload: bool = False
    takes_collection: bool = False
    admin: bool = False


KINDS: dict[JobKind, KindOfJob] = {
    "ingest": KindOfJob(
        title="Make items of an uploaded image, PDF or zip of them.", takes_upload=True, takes_collection=True
    ),
    "zip_import": KindOfJob(
        title="Make items of the files in an uploaded zip.", takes_upload=True, takes_collection=True
    ),
    "anki_export": KindOfJob(
        title="Write a deck as an Anki package, to download.", parameters=DeckParameters
    ),
    "anki_import": KindOfJob(
        title="Make a deck of the notes in an uploaded Anki package.",
        parameters=AnkiParameters,
        takes_upload=True,
    ),
    "backfill": KindOfJob(
        title="Make items of the objects that lie in your folder of the bucket.",
        parameters=BackfillParameters,
        takes_collection=True,
    ),
    "plan_reviews": KindOfJob(
        title="Fit the schedule of your reviews to their log, and plan anew what is due."
    ),
    "exercises": KindOfJob(
        title="Generate many exercises.", parameters=ExercisesParameters, takes_collection=True
    ),
    "export": KindOfJob(title="Write all that you have as one zip, to download."),
    "import": KindOfJob(
        title="Put back what an export has: items, collections, conversations, exercises.", takes_upload=True
    ),
    "reembed": KindOfJob(
        title="Embed all users' texts with NEXT_EMBEDDING_MODEL, beside the vectors in use.", admin=True
    ),
    "reprocess": KindOfJob(
        title="Process items again from their files.", parameters=ReprocessParameters, takes_collection=True
    ),
}


def check_parameters(kind: JobKind, given: Any) -> Parameters:
    """Return the parameters of a job of this kind. Raise InvalidInput."""
    try:
        return msgspec.convert(given, KINDS[kind].parameters)
    except msgspec.ValidationError:
        refuse(find_mistakes(given, KINDS[kind].parameters, strict=True, at="parameters"))
