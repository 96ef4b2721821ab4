"""Prepares a query: its words, and its vectors by the models whose sets are searched."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from chalicelib import errors
from chalicelib.model.search import ranking
from chalicelib.model.search.lexical import for_tsvector
from chalicelib.model.search.ranking import Mode
from chalicelib.providers import Embedder, models_of
from chalicelib.stores.search import generations

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
PROMOTIONS = 10  # within one search; more than one is an operator who goes back and forth
log = logging.getLogger("collections.search")
# Too long for the model, it is not available, or it may cost no more: the search goes on without it.
WITHOUT_MODEL = (errors.InvalidInput, errors.Unavailable, errors.BudgetSpent)
EMBED_TIMEOUT_S = 5.0


class PreparedQuery(Struct, frozen=True, kw_only=True):
    """A query ready to be looked up: its words, its vector, and the (model, dimensions) that made the vector.

    `vector` is None in mode "lexical", and when the embedder was not available; `missing` then names it. `others` are
    the models that are configured beside it. `picture` is the vector among those of pictures, `picture_model` made it.
    """

    text: str
    words: str
    mode: Mode
    vector: list[float] | None
    model: tuple[str, int]
    missing: tuple[str, ...]
    others: tuple[tuple[str, int], ...] = ()
    picture: list[float] | None = None
    picture_model: tuple[str, int] | None = None


class OtherGeneration(Exception):
    """Another model's set is live than the one that embedded the query, and that model is configured too."""

    def __init__(self, model: tuple[str, int]) -> None:
        super().__init__(model)
        self.model = model


def with_live_model(
    query: str,
    answer: Callable[[PreparedQuery], T],
    *,
    embedder: Embedder,
    mode: Mode = "hybrid",
    db: "Database",
    pictures: Embedder | None = None,
) -> T:
    """Return what `answer` makes of the query, embedded by the model whose set is live, and by `pictures` if given.

    When a generation is promoted in between, `answer` is called again with the other model's vector: no search mixes
    two generations.
    """
    chosen = embedder
    if embedder.next is not None:
        chosen = _of_model(embedder, db.transact("", generations.find_live_model))
    for _ in range(PROMOTIONS):
        try:
            prepared = prepare_query(
                query, embedder=chosen, mode=mode, all_models=models_of(embedder), pictures=pictures
            )
            return answer(prepared)
        except OtherGeneration as other:
            chosen = _of_model(embedder, other.model)
    raise errors.Unavailable("The search index is being changed; try again soon.", code="index_changing")


def _of_model(embedder: Embedder, model: tuple[str, int] | None) -> Embedder:
    found = (each for each in models_of(embedder) if (each.model, each.dimensions) == model)
    return next(found, embedder)


def prepare_query(
    query: str,
    *,
    embedder: Embedder,
    mode: Mode = "hybrid",
    all_models: Sequence[Embedder] = (),
    pictures: Embedder | None = None,
) -> PreparedQuery:
    """Embed the query. Without the embedder the search goes on by words alone, and `missing` says so.

    It is embedded by `pictures` too; without that model, images are found by their texts, and `missing` says so.
    Raise Unavailable, BudgetSpent, or InvalidInput for a query that is too long to embed, in mode "semantic".
    """
    vector, picture, missing = None, None, list[str]()
    if mode != "lexical":
        vector = _embed(query, embedder, is_needed=mode == "semantic")
        missing += [] if vector else ["semantic"]
    if vector and pictures and ranking.reads(query, model=pictures.model):
        picture = _embed(query, pictures)
        missing += [] if picture else ["pictures"]
    return PreparedQuery(
        text=query,
        words=for_tsvector(query),
        mode=mode,
        vector=vector,
        model=(embedder.model, embedder.dimensions),
        missing=tuple(missing),
        others=tuple((each.model, each.dimensions) for each in all_models if each is not embedder),
        picture=picture,
        picture_model=(pictures.model, pictures.dimensions) if pictures else None,
    )


def _embed(query: str, embedder: Embedder, *, is_needed: bool = False) -> list[float] | None:
    """Return the query's vector; None without the model, unless it is needed."""
    try:
        return embedder.embed([query], purpose="query", timeout_s=EMBED_TIMEOUT_S)[0]
    except WITHOUT_MODEL as error:
        if is_needed:
            raise
        log.warning(
            "searching without a model", extra={"error": error.code, "embedding_model": embedder.model}
        )
        return None
