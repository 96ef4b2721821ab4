"""Embed what an image shows, in a set of its own, where the embedder of its texts sees no pictures.

An image does not depend on it: when the model is away it is waited for as any other is, but in the end, and at once
where waiting may take days, the image is READY without this vector. A run of kind reembed makes it later.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import POLICIES, Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import Embedder, Pictured
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from chalicelib.stores.search.index import Unseen
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")


def find_unseen(ref: ItemRef, pictures: Embedder, *, db: "Database") -> Unseen | None:
    """Return the image if it has no vector of this model yet."""

    def find(tx: Tx) -> list[Unseen]:
        set_id = index.ensure_set(tx, model=pictures.model, dimensions=pictures.dimensions, kind="picture")
        return index.list_unseen(tx, ref.user_id, set_id=set_id, limit=1, item_id=ref.item_id)

    return next(iter(db.transact(ref.user_id, find)), None)


def embed_picture(
    claim: Claim,
    unseen: Unseen,
    *,
    pictures: Embedder,
    time_left_s: Callable[[], float],
    read_preview: Callable[[str], bytes],
) -> WriteResults:
    """Return the function that stores the image's vector, or notes in its timeline why it has none."""
    shown = Pictured(text="", jpeg=read_preview(unseen.preview_key))
    try:
        vectors = pictures.embed([shown], timeout_s=time_left_s())
    except (errors.Unavailable, errors.BudgetSpent, errors.InvalidInput, errors.BadFile) as error:
        if _is_waited_for(error, claim):
            raise
        log.warning(
            "an image is not embedded", extra={"error": error.code, "embedding_model": pictures.model}
        )
        why = f"{error.code}: {error.message}"
        return lambda tx: tasks.note(tx, claim, "picture left out", message=why)
    log.info("picture embedded", extra={"embedding_model": pictures.model})
    return lambda tx: index.add_vectors(
        tx, claim.user_id, set_id=unseen.set_id, ids=[unseen.chunk_id], vectors=vectors
    )


def _is_waited_for(error: errors.CollectionsError, claim: Claim) -> bool:
    """Return whether the stage is tried again: not for what may last until somebody mends a key or a budget."""
    is_passing = isinstance(error, errors.Unavailable) and not isinstance(error, errors.Misconfigured)
    return is_passing and claim.attempt < POLICIES[claim.kind].max_attempts
