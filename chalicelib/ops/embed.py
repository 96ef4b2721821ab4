"""Give every chunk of an item its vector and its place in the BM25 index."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.pipeline import Claim
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
    while True:
        rows = db.transact(
            ref.user_id, lambda tx: chunks.list_unembedded(tx, ref, set_id=set_id, limit=BATCH)
        )
        if not rows:
            return lambda tx: index.add_item(tx, ref)
        if time_left_s() < RESERVE_S:
            return None
        vectors = embedder.embed([row["text"] for row in rows], timeout_s=time_left_s())
        db.transact(ref.user_id, lambda tx, r=rows, v=vectors: _keep(tx, claim, set_id, r, v))  # type: ignore[misc]


def _keep(tx: Tx, claim: Claim, set_id: int, rows: Sequence[Row], vectors: Sequence[Sequence[float]]) -> None:
    tasks.hold(tx, claim)
    index.add_vectors(tx, claim.ref.user_id, set_id=set_id, ids=[row["id"] for row in rows], vectors=vectors)
