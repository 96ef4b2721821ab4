"""Give every chunk of an item its vector and its place in the BM25 index."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.pipeline import Claim, ItemRef
from chalicelib.ops.stages import WriteResults
from chalicelib.providers import Embedder
from chalicelib.stores import chunks, index, tasks
from chalicelib.stores.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database

BATCH = 64
RESERVE_S = 5.0  # a batch is not begun with less time than this


def embed_item(
    claim: Claim, *, db: "Database", embedder: Embedder, time_left_s: Callable[[], float]
) -> WriteResults | None:
    """Embed the chunks that have no vector yet, each batch kept as it comes.

    Answers what completes the index, or None when time ran out: the next call goes on from there.
    """
    ref = claim.ref
    set_id = db.transact(
        ref.user_id, lambda tx: index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
    )
    after = 0
    while True:
        rows = db.transact(ref.user_id, _next_batch(ref, set_id, after))
        if not rows:
            return lambda tx: index.add_item(tx, ref)
        if time_left_s() < RESERVE_S:
            return None
        vectors = embedder.embed([row["text"] for row in rows], timeout_s=time_left_s())
        db.transact(ref.user_id, _keep(claim, set_id, rows, vectors))
        after = rows[-1]["id"]


def _next_batch(ref: ItemRef, set_id: int, after: int) -> Callable[[Tx], list[Row]]:
    return lambda tx: chunks.list_unembedded(tx, ref, set_id=set_id, after=after, limit=BATCH)


def _keep(
    claim: Claim, set_id: int, rows: Sequence[Row], vectors: Sequence[Sequence[float]]
) -> Callable[[Tx], None]:
    def write(tx: Tx) -> None:
        tasks.hold(tx, claim)
        ids = [row["id"] for row in rows]
        index.add_vectors(tx, claim.ref.user_id, set_id=set_id, ids=ids, vectors=vectors)

    return write
