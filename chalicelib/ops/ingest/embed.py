"""Embed an item's chunks and index its pages.

With a model that sees pictures, an image's caption is embedded together with the image: it is found by what it shows.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import Embedder, Pictured, models_of
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
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
    claim: Claim,
    *,
    db: "Database",
    embedder: Embedder,
    time_left_s: Callable[[], float],
    read_preview: Callable[[str], bytes] | None = None,
) -> WriteResults | None:
    """Embed the chunks that have no vector yet, then index the pages that are not indexed yet.

    Each model that is configured has its own vectors. Store each batch at once. Return the function that indexes the
    last pages, or None when time runs out; the next call continues there. `read_preview` returns the preview with a
    key, for an embedder that sees pictures.
    """
    ref = claim.ref
    for model in models_of(embedder):
        if not _embed_chunks(claim, model, db=db, time_left_s=time_left_s, read_preview=read_preview):
            return None
    for batch in db.transact(ref.user_id, lambda tx: index.list_batches(tx, ref))[:-1]:
        if time_left_s() < RESERVE_S:
            return None
        db.transact(ref.user_id, _keep_pages(claim, batch))
    return lambda tx: index.add_item(tx, ref)


def _embed_chunks(
    claim: Claim,
    embedder: Embedder,
    *,
    db: "Database",
    time_left_s: Callable[[], float],
    read_preview: Callable[[str], bytes] | None,
) -> bool:
    """Embed the chunks that have no vector of this model yet; return False when time runs out."""
    ref = claim.ref
    set_id = db.transact(
        ref.user_id, lambda tx: index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
    )
    after = 0
    while unembedded := db.transact(ref.user_id, _read_next(ref, set_id, after)):
        if time_left_s() < RESERVE_S:
            return False
        ids = [n for n, _ in unembedded]
        shown = _shown(ref, db, read_preview) if read_preview and embedder.sees_pictures else {}
        inputs = [Pictured(text=text, jpeg=shown[n]) if n in shown else text for n, text in unembedded]
        vectors = embedder.embed(inputs, timeout_s=time_left_s())
        db.transact(ref.user_id, _keep_vectors(claim, set_id, ids, vectors))
        after = ids[-1]
        log.info("embedding generated", extra={"chunks": len(ids), "embedding_model": embedder.model})
    return True


def _shown(ref: ItemRef, db: "Database", read_preview: Callable[[str], bytes]) -> dict[int, bytes]:
    """Return the preview of an image by the ids of its captions; of a document, nothing."""

    def find(tx: Tx) -> tuple[str | None, list[int]]:
        item = items.get(tx, ref)
        captions = [chunk.id for chunk in chunks.list_of_page(tx, ref, 1) if chunk.source == "caption"]
        return (item.preview_key if item.kind == "image" else None), captions

    key, captions = db.transact(ref.user_id, find)
    return dict.fromkeys(captions, read_preview(key)) if key and captions else {}


def _read_next(ref: ItemRef, set_id: int, after: int) -> Callable[[Tx], list[tuple[int, str]]]:
    return lambda tx: chunks.list_unembedded(tx, ref, set_id=set_id, after=after, limit=BATCH)


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
