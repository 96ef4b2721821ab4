"""What leans on an item: shown before it is deleted."""

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.model.pipeline import ItemRef
from chalicelib.stores import dependents, items
from chalicelib.stores.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database

SHOWN = 20


class Dependents(Struct, frozen=True, kw_only=True):
    """The first SHOWN collections and conversations, each row with `found`, how many there are; and counts."""

    collections: list[Row]
    conversations: list[Row]
    derived: Row


def read_dependents(ref: ItemRef, *, db: "Database") -> Dependents:
    """Raises NotFound."""

    def read(tx: Tx) -> Dependents:
        items.get(tx, ref)
        return Dependents(
            collections=dependents.list_collections(tx, ref, limit=SHOWN),
            conversations=dependents.list_conversations(tx, ref, limit=SHOWN),
            derived=dependents.count_derived(tx, ref),
        )

    return db.transact(ref.user_id, read)
