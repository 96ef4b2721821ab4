"""What leans on an item: what holds it, what quotes it, what is made of it."""

from chalicelib.model.pipeline import ItemRef
from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def list_collections(tx: Tx, ref: ItemRef, *, limit: int) -> list[Row]:
    """Those it is in, by name; `found` is how many there are."""
    return tx.all(SQL["collections"], user_id=ref.user_id, item_id=ref.item_id, limit=limit)


def list_conversations(tx: Tx, ref: ItemRef, *, limit: int) -> list[Row]:
    """Those with `answers` that cite it, newest first; `found` is how many there are."""
    return tx.all(SQL["conversations"], user_id=ref.user_id, item_id=ref.item_id, limit=limit)


def count_derived(tx: Tx, ref: ItemRef) -> Row:
    """How many chunks, vectors, indexed pages and analyses."""
    return tx.all(SQL["derived"], user_id=ref.user_id, item_id=ref.item_id)[0]
