"""Embed an item's chunks and index its pages."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import Embedder
from chalicelib.stores.ingest import chunks
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.search.index import PageBatch
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")
BATCH = 64
RESERVE_S = 5.0  # no batch is started with less time than this


def embed_item(
    claim: Claim, *, db: "Database", embedder: Embedder, time_left_s: Callable[[], float]
) -> WriteResults | None:
    """Embed the chunks that have no vector yet, then index the pages that are not indexed yet.

    Store each batch at once.

    Return the function that indexes the last pages, or None when time runs out; the next call continues there.
    """
    ref = claim.ref
    set_id = db.transact(
        ref.user_id, lambda tx: index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
    )
    after = 0
    while True:
        unembedded, batches = db.transact(ref.user_id, _read_next(ref, set_id, after))
        if not unembedded:
            break
        if time_left_s() < RESERVE_S:
            return None
        ids, texts = zip(*unembedded, strict=True)
        vectors = embedder.embed(texts, timeout_s=time_left_s())
        db.transact(ref.user_id, _keep_vectors(claim, set_id, ids, vectors))
        after = ids[-1]
        log.info("embedding generated", extra={"chunks": len(ids), "embedding_model": embedder.model})
    for batch in batches[:-1]:
        if time_left_s() < RESERVE_S:
            return None
        db.transact(ref.user_id, _keep_pages(claim, batch))
    return lambda tx: index.add_item(tx, ref)


def _read_next(
    ref: ItemRef, set_id: int, after: int
) -> Callable[[Tx], tuple[list[tuple[int, str]], list[PageBatch]]]:
    """Return a function that reads the next chunks to embed or, when none is left, the batches of pages to index."""

    def read(tx: Tx) -> tuple[list[tuple[int, str]], list[PageBatch]]:
        unembedded = chunks.list_unembedded(tx, ref, set_id=set_id, after=after, limit=BATCH)
        return unembedded, [] if unembedded else index.list_batches(tx, ref)

    return read


def _keep_vectors(
    claim: Claim, set_id: int, ids: Sequence[int], vectors: Sequence[Sequence[float]]
) -> WriteResults:
    def write(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        index.add_vectors(tx, claim.ref.user_id, set_id=set_id, ids=ids, vectors=vectors)

    return write


def _keep_pages(claim: Claim, batch: PageBatch) -> WriteResults:
    def write(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        index.add_pages(tx, claim.ref, batch)

    return write
