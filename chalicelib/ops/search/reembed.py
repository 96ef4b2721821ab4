"""Fill an embedding set beside the live one, and compare the two. Searches go on with the live one meanwhile.

Pictures are embedded in the same way by the model that is configured for them. Its set may be live, and have gaps.

A chunk that has its vector is done: so the work goes on after a crash where it was. New items land in both sets by
themselves (ops/ingest/embed.py), as long as both models are configured. Nothing is promoted here: an operator does.
"""

import logging
from collections.abc import Callable, Sequence
from math import log2
from typing import TYPE_CHECKING

from chalicelib.errors import Misconfigured
from chalicelib.model.search.filters import Filters
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.engine import Finish, Finished
from chalicelib.providers import Embedder, Pictured, models_of
from chalicelib.stores.operations import sweeps
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import generations, index, lookup
from chalicelib.stores.search.generations import Judged
from chalicelib.stores.search.index import SetKind
from chalicelib.stores.search.lookup import SearchScope
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.search")
BATCH = 64
PICTURES_AT_ONCE = 8  # in memory
RESERVE_S = 5.0  # no batch is started with less time than this
COMPARE_S = 30.0  # a comparison is started with at least this time
COMPARED_USERS = 20
QUERIES_OF_A_USER = 10
DEPTH = 10
NEAREST_CHUNKS = 100

Vectors = list[list[float]]
TimeLeft = Callable[[], float]
ReadPreview = Callable[[str], bytes]
# Returns (chunk, what its vector is of) for the user's next chunks behind an id.
Find = Callable[[str, int], list[tuple[int, str | Pictured]]]


def reembed(
    claim: Claim, *, db: "Database", embedder: Embedder, read_preview: ReadPreview, time_left_s: TimeLeft
) -> Finish | None:
    """Embed what has no vector in the set of claim.input's model, and pictures that have none; then compare the texts.

    Return None when time runs out; the next call goes on there. Raise Misconfigured when the model is not configured.
    """
    output = {"generation_id": claim.input["generation_id"]}
    if embedder.pictures and not fill_pictures(
        claim, embedder.pictures, read_preview=read_preview, db=db, time_left_s=time_left_s
    ):
        return None
    if claim.input["model"] is None:
        return lambda tx: Finished(output=output)
    wanted = (claim.input["model"], claim.input["dimensions"])
    model = next((each for each in models_of(embedder) if (each.model, each.dimensions) == wanted), None)
    if model is None:
        raise Misconfigured(f"{wanted[0]} is not configured: set NEXT_EMBEDDING_MODEL.", code="no_embedder")
    if not fill_texts(claim, model, db=db, time_left_s=time_left_s) or time_left_s() < COMPARE_S:
        return None
    set_id, compared = compare_sets(claim, db=db, embedder=embedder, model=model, time_left_s=time_left_s)
    output |= {"set_id": set_id, "compared": compared}
    return lambda tx: Finished(output=output)


def fill_texts(claim: Claim, model: Embedder, *, db: "Database", time_left_s: TimeLeft) -> bool:
    """Embed all users' chunks that have no vector of this model; return False when time runs out."""
    set_id = _ensure_set(claim, model, "text", db=db)

    def find(user_id: str, after: int) -> list[tuple[int, str | Pictured]]:
        unfilled = db.transact(
            user_id,
            lambda tx: generations.list_unfilled(tx, user_id, set_id=set_id, after=after, limit=BATCH),
        )
        return [*unfilled]

    return _fill_set(claim, set_id, find, model=model, db=db, time_left_s=time_left_s)


def fill_pictures(
    claim: Claim, model: Embedder, *, db: "Database", read_preview: ReadPreview, time_left_s: TimeLeft
) -> bool:
    """Embed all users' images that have no vector of this model; return False when time runs out."""
    set_id = _ensure_set(claim, model, "picture", db=db)

    def find(user_id: str, after: int) -> list[tuple[int, str | Pictured]]:
        unseen = db.transact(
            user_id,
            lambda tx: index.list_unseen(tx, user_id, set_id=set_id, after=after, limit=PICTURES_AT_ONCE),
        )
        return [(each.chunk_id, Pictured(text="", jpeg=read_preview(each.preview_key))) for each in unseen]

    return _fill_set(claim, set_id, find, model=model, db=db, time_left_s=time_left_s)


def _ensure_set(claim: Claim, model: Embedder, kind: SetKind, *, db: "Database") -> int:
    return db.transact(
        claim.user_id,
        lambda tx: index.ensure_set(tx, model=model.model, dimensions=model.dimensions, kind=kind),
    )


def _fill_set(
    claim: Claim, set_id: int, find: Find, *, model: Embedder, db: "Database", time_left_s: TimeLeft
) -> bool:
    """Embed what `find` returns of each user, until it returns nothing; return False when time runs out.

    Called again it goes on there, and after the end it looks at all users again.
    """
    cursor = f"reembed {set_id}"
    done = db.transact_as_system(lambda tx: sweeps.get_position(tx, cursor))
    while user_id := db.transact_as_system(lambda tx, done=done: generations.find_next_user(tx, after=done)):  # type: ignore[misc]
        if not _fill(claim, user_id, set_id, find, db=db, model=model, time_left_s=time_left_s):
            return False
        done = user_id
        db.transact_as_system(lambda tx, done=done: sweeps.set_position(tx, cursor, done))  # type: ignore[misc]
    db.transact_as_system(lambda tx: sweeps.set_position(tx, cursor, ""))
    return True


def _fill(
    claim: Claim,
    user_id: str,
    set_id: int,
    find: Find,
    *,
    db: "Database",
    model: Embedder,
    time_left_s: TimeLeft,
) -> bool:
    """Embed what the user's chunks want; return False when time runs out. Raise LeaseLost when it is cancelled."""
    after = 0
    while unfilled := find(user_id, after):
        if time_left_s() < RESERVE_S:
            return False
        db.transact(claim.user_id, lambda tx: tasks.checkpoint(tx, claim))
        ids = [chunk_id for chunk_id, _ in unfilled]
        vectors = model.embed([each for _, each in unfilled], timeout_s=time_left_s())
        db.transact(user_id, _keep(user_id, set_id, ids, vectors))
        log.info("embedded again", extra={"chunks": len(ids), "embedding_model": model.model})
        after = ids[-1]
    return True


def _keep(user_id: str, set_id: int, ids: Sequence[int], vectors: Vectors) -> Callable[[Tx], None]:
    return lambda tx: index.add_vectors(tx, user_id, set_id=set_id, ids=ids, vectors=vectors)


def compare_sets(
    claim: Claim, *, db: "Database", embedder: Embedder, model: Embedder, time_left_s: TimeLeft
) -> tuple[int, dict[str, float | int | None]]:
    """Return the model's set of texts, and how its results differ from the live set's.

    They are compared over a sample of queries of up to COMPARED_USERS users.

    `overlap_at_10` is the mean share of the live set's first ten pages that the set has among its own. The nDCG@10 of
    both is over users' own questions, where the pages that their answers cite are the relevant ones. Queries of users
    who have asked nothing are openings of their chunks. A value is None when there is nothing to take it from.
    """
    set_id = _ensure_set(claim, model, "text", db=db)
    live = db.transact("", generations.find_live_model)
    old = next((each for each in models_of(embedder) if (each.model, each.dimensions) == live), None)
    overlaps: list[float] = []
    gains: list[tuple[float, float]] = []
    user_id: str | None = ""
    for _ in range(COMPARED_USERS):
        user_id = db.transact_as_system(lambda tx, at=user_id: generations.find_next_user(tx, after=at))  # type: ignore[misc]
        if user_id is None or old is None or time_left_s() < RESERVE_S:
            break
        sample = db.transact(user_id, _sample(user_id))
        queries = [each.query for each in sample]
        if queries:
            asked = [each.embed(queries, purpose="query", timeout_s=time_left_s()) for each in (old, model)]
            for judged, before, after in zip(sample, *asked, strict=True):
                pages = db.transact(user_id, _nearest(user_id, set_id, before, after))
                overlaps.append(_overlap(*pages))
                if judged.pages:
                    gains.append((ndcg(pages[0], judged.pages), ndcg(pages[1], judged.pages)))
    return set_id, {
        "queries": len(overlaps),
        "overlap_at_10": _mean(overlaps),
        "judged": len(gains),
        "ndcg_at_10_live": _mean([gain for gain, _ in gains]),
        "ndcg_at_10_next": _mean([gain for _, gain in gains]),
    }


def _sample(user_id: str) -> Callable[[Tx], list[Judged]]:
    def read(tx: Tx) -> list[Judged]:
        judged = generations.list_judged(tx, user_id, limit=QUERIES_OF_A_USER)
        openings = generations.list_openings(tx, user_id, limit=QUERIES_OF_A_USER - len(judged))
        return [*judged, *(Judged(query=opening, pages=[]) for opening in openings)]

    return read


def _nearest(
    user_id: str, set_id: int, before: Sequence[float], after: Sequence[float]
) -> Callable[[Tx], tuple[list[str], list[str]]]:
    """Return a function that finds the nearest pages in the live set, and those in the other one."""

    def find(tx: Tx) -> tuple[list[str], list[str]]:
        live = lookup.find_scope(tx, user_id)
        assert live is not None
        other = SearchScope(user_id=user_id, owner=live.owner, set_id=set_id, model=None, dimensions=None)
        return _pages(tx, live, before), _pages(tx, other, after)

    return find


def _pages(tx: Tx, scope: SearchScope, vector: Sequence[float]) -> list[str]:
    found = lookup.list_semantic(tx, scope, vector, filters=Filters(), depth=NEAREST_CHUNKS)
    return list(dict.fromkeys(f"{chunk.item_id} {chunk.page}" for chunk in found))[:DEPTH]


def _overlap(live: Sequence[str], other: Sequence[str]) -> float:
    return len(set(live) & set(other)) / len(live) if live else 1.0


def ndcg(ranked: Sequence[str], relevant: Sequence[str]) -> float:
    """Return the nDCG@10 of a ranking when each of `relevant` has the gain 1 (Järvelin and Kekäläinen 2002)."""
    gain = sum(1 / log2(place + 2) for place, page in enumerate(ranked[:DEPTH]) if page in set(relevant))
    return gain / sum(1 / log2(place + 2) for place in range(min(len(set(relevant)), DEPTH)))


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
