"""Exercises that are not made here but come from an Anki package."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Imported(Struct, frozen=True, kw_only=True):
    """A card to store as an exercise. `is_cloze`: its question has a gap."""

    id: str
    is_cloze: bool
    question: str
    answer: str
    hint: str


def upsert(tx: Tx, user_id: str, cards: Sequence[Imported], *, concept_id: str, file_name: str) -> None:
    """Store the cards as exercises of this concept; one that was imported before gets the new texts."""
    names = Imported.__struct_fields__
    columns = {f"{name}s": [getattr(card, name) for card in cards] for name in names}
    tx.run(SQL["upsert"], user_id=user_id, concept_id=concept_id, file_name=file_name, **columns)
