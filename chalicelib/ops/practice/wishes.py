"""A request for exercises, and what choosing and writing drafts must know of it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from chalicelib.model.practice.exercises import KINDS, Difficulty, Kind, Language, LifeCategory
from chalicelib.ops.practice.sources import Sources


class Wanted(Struct, frozen=True, kw_only=True):
    """A wish for exercises. `concept_id` is a stored concept's id, or a phrase; "" asks about the sources as such.

    `step` names the step of a run that wishes: what another step got does not answer it.
    """

    concept_id: str
    student_id: str
    interests: tuple[str, ...]
    life_category: LifeCategory
    difficulty: Difficulty
    kind: Kind | None = None
    language: Language | None = None
    count: int = 1
    previous_exercise_id: str | None = None
    sources: Sources = Sources()
    step: str = ""

    @property
    def sha256(self) -> str:
        return sha256(msgspec.json.encode(self)).hexdigest()


class Wish(Struct, frozen=True, kw_only=True):
    """The drafts that a request still lacks. `phrase` names its concept, `labels` are those of the user's images."""

    wanted: Wanted
    phrase: str
    count: int = 1
    labels: Mapping[str, Sequence[str]] = {}

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (self.wanted.kind,) if self.wanted.kind else KINDS[self.wanted.difficulty]
