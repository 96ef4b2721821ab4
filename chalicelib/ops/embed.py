"""Give every chunk of an item its vector and its place in the BM25 index."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.pipeline import Claim, ItemRef
from chalicelib.ops.stages import WriteResults
from chalicelib.providers import Embedder
from chalicelib.stores import chunks, index, tasks
from chalicelib.stores.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database

log = logging.getLogger("collections.pipeline")
BATCH = 64
RESERVE_S = 5.0  # a batch is not begun with less time than this


def embed_item(
    claim: Claim, *, db: "Database", embedder: Embedder, time_left_s: Callable[[], float]
) -> WriteResults | None:
    """Embed the chunks that have no vector yet, then index the pages that are not; each batch is kept as it comes.

    Answers what indexes the last pages, or None when time ran out: the next call goes on from there.
    """
    ref = claim.ref
    set_id = db.transact(
        ref.user_id, lambda tx: index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
    )
    after = 0
    while True:
        rows, runs = db.transact(ref.user_id, _next_batch(ref, set_id, after))
        if not rows:
            break
        if time_left_s() < RESERVE_S:
            return None
        vectors = embedder.embed([row["text"] for row in rows], timeout_s=time_left_s())
        db.transact(ref.user_id, _keep_vectors(claim, set_id, rows, vectors))
        after = rows[-1]["id"]
        log.info("embedding generated", extra={"chunks": len(rows), "embedding_model": embedder.model})
    for run in runs[:-1]:
        if time_left_s() < RESERVE_S:
            return None
        db.transact(ref.user_id, _keep_run(claim, run))
    return lambda tx: index.add_item(tx, ref)


def _next_batch(ref: ItemRef, set_id: int, after: int) -> Callable[[Tx], tuple[list[Row], list[Row]]]:
    """Chunks to embed; when there are none left, runs of pages to index."""

    def read(tx: Tx) -> tuple[list[Row], list[Row]]:
        rows = chunks.list_unembedded(tx, ref, set_id=set_id, after=after, limit=BATCH)
        return rows, [] if rows else index.list_runs(tx, ref)

    return read


def _keep_vectors(
    claim: Claim, set_id: int, rows: Sequence[Row], vectors: Sequence[Sequence[float]]
) -> WriteResults:
    def write(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        ids = [row["id"] for row in rows]
        index.add_vectors(tx, claim.ref.user_id, set_id=set_id, ids=ids, vectors=vectors)

    return write


def _keep_run(claim: Claim, run: Row) -> WriteResults:
    def write(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        index.add_run(tx, claim.ref, run)

    return write
