"""Embed an item's chunks and index its pages.

With a model that sees pictures, an image's caption is embedded together with the image: it is found by what it shows.
With another one, the image may have a vector by itself (ops/ingest/embed_picture.py).
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.embed_picture import embed_picture, find_unseen
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import Embedder, Pictured, models_of
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
    claim: Claim,
    *,
    db: "Database",
    embedder: Embedder,
    time_left_s: Callable[[], float],
    read_preview: Callable[[str], bytes] | None = None,
) -> WriteResults | None:
    """Embed the chunks that have no vector yet, then index the pages that are not indexed yet.

    Each model that is configured has its own vectors. A batch of chunks, or of pages, is stored at once; a short item's
    only one is stored with the end of the stage. Return the function that stores what is left, or None when time runs
    out; the next call continues there. `read_preview` returns the preview with a key, for an embedder that sees
    pictures.
    """
    ref, models = claim.ref, models_of(embedder)
    texts, pages = db.transact(ref.user_id, lambda tx: _find_work(tx, ref, models))
    left: list[WriteResults] = []
    for model, (set_id, batch) in zip(models, texts, strict=True):
        while batch:
            if time_left_s() < RESERVE_S:
                _keep(claim, left, db=db)
                return None
            ids = [n for n, _ in batch]
            vectors = _embed(claim, model, batch, db=db, time_left_s=time_left_s, read_preview=read_preview)
            write = _vectors_of(ref, set_id, ids, vectors)
            if len(batch) < BATCH and len(pages) < 2:
                left.append(write)
                break
            _keep(claim, [write], db=db)
            batch = db.transact(ref.user_id, _next_batch(ref, set_id, ids[-1]))
    for run in pages[:-1]:
        if time_left_s() < RESERVE_S:
            return None
        _keep(claim, [_index_of(ref, run)], db=db)
    left += [_index_of(ref, run) for run in pages[-1:]]
    pictures = embedder.pictures if claim.begun.kind == "image" else None
    if pictures and read_preview and (unseen := find_unseen(ref, pictures, db=db)):
        _keep(claim, left, db=db)  # the image is found by its text, whatever becomes of its picture
        if time_left_s() < RESERVE_S:
            return None
        return embed_picture(
            claim, unseen, pictures=pictures, time_left_s=time_left_s, read_preview=read_preview
        )
    return lambda tx: _write_all(tx, left)


def _find_work(
    tx: Tx, ref: ItemRef, models: Sequence[Embedder]
) -> tuple[list[tuple[int, list[tuple[int, str]]]], list[PageBatch]]:
    """Return, for each model, its set and the first chunks without a vector in it; and the pages to index."""
    sets = [index.ensure_set(tx, model=model.model, dimensions=model.dimensions) for model in models]
    return [(set_id, _next_batch(ref, set_id, 0)(tx)) for set_id in sets], index.list_batches(tx, ref)


def _next_batch(ref: ItemRef, set_id: int, after: int) -> Callable[[Tx], list[tuple[int, str]]]:
    return lambda tx: chunks.list_unembedded(tx, ref, set_id=set_id, after=after, limit=BATCH)


def _embed(
    claim: Claim,
    embedder: Embedder,
    batch: Sequence[tuple[int, str]],
    *,
    db: "Database",
    time_left_s: Callable[[], float],
    read_preview: Callable[[str], bytes] | None,
) -> list[list[float]]:
    """Return a vector for each chunk, given as (id, text)."""
    shown = _shown(claim, db, read_preview) if read_preview and embedder.sees_pictures else {}
    inputs = [Pictured(text=text, jpeg=shown[n]) if n in shown else text for n, text in batch]
    vectors = embedder.embed(inputs, timeout_s=time_left_s())
    log.info("embedding generated", extra={"chunks": len(batch), "embedding_model": embedder.model})
    return vectors


def _shown(claim: Claim, db: "Database", read_preview: Callable[[str], bytes]) -> dict[int, bytes]:
    """Return the preview of an image by the ids of its captions; of a document, nothing."""
    ref, item = claim.ref, claim.begun
    if item.kind != "image" or item.preview_key is None:
        return {}
    found = db.transact(ref.user_id, lambda tx: chunks.list_of_page(tx, ref, 1))
    captions = [chunk.id for chunk in found if chunk.source == "caption"]
    return dict.fromkeys(captions, read_preview(item.preview_key)) if captions else {}


def _vectors_of(
    ref: ItemRef, set_id: int, ids: Sequence[int], vectors: Sequence[Sequence[float]]
) -> WriteResults:
    return lambda tx: index.add_vectors(tx, ref.user_id, set_id=set_id, ids=ids, vectors=vectors)


def _index_of(ref: ItemRef, run: PageBatch) -> WriteResults:
    return lambda tx: index.add_pages(tx, ref, run)


def _keep(claim: Claim, writes: Sequence[WriteResults], *, db: "Database") -> None:
    """Store a part of the work in a transaction that holds the claim."""

    def keep(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        _write_all(tx, writes)

    if writes:
        db.transact(claim.user_id, keep)


def _write_all(tx: Tx, writes: Sequence[WriteResults]) -> None:
    for write in writes:
        write(tx)
