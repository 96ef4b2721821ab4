"""Find what depends on an item, so that it can be shown before the item is deleted."""

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.model.library.items import ItemRef
from chalicelib.stores.library import dependents, items
from chalicelib.stores.library.dependents import CitingConversation, DerivedCounts, HoldingCollection
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

SHOWN = 20


class Dependents(Struct, frozen=True, kw_only=True):
    """The first SHOWN collections and conversations, and counts of what was derived from the item."""

    collections: list[HoldingCollection]
    conversations: list[CitingConversation]
    derived: DerivedCounts


def read_dependents(ref: ItemRef, *, db: "Database") -> Dependents:
    """Return what depends on the item. Raise NotFound."""

    def read(tx: Tx) -> Dependents:
        items.get(tx, ref)
        return Dependents(
            collections=dependents.list_collections(tx, ref, limit=SHOWN),
            conversations=dependents.list_conversations(tx, ref, limit=SHOWN),
            derived=dependents.count_derived(tx, ref),
        )

    return db.transact(ref.user_id, read)
