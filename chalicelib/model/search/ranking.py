"""Fuses the matches by words and the matches by meaning into one ranking.

The unit is the page. BM25 over whole items loses a third of its quality when long PDFs lie beside short texts; over
chunks it lacks context. Weights and depth were measured on public test sets (docs/search.md).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from chalicelib.model.search.embedding_models import find_embedding_model
from chalicelib.model.search.language import LATIN, language_of

Mode = Literal["hybrid", "lexical", "semantic"]
DEPTH = 100  # the pages of each list that are fused
NEAREST_CHUNKS = 300  # enough chunks for DEPTH pages

_MOST_OF_WORDS = 0.45  # the weight of the words where a page has enough of them
_WEAK_WEIGHT = 0.25
_LEAST_COVERAGE, _LEAST_COVERAGE_ALONE = 0.75, 0.5
_LEAST_COVERAGE_SHOWN = 0.4
_LEAST_COSINE_OF_UNKNOWN, _LEAST_COVERAGE_OF_UNKNOWN = 0.42, 0.25
_LEAST_COSINE_OF_PICTURES = 0.3  # of a text and what an image shows; no model's was measured (docs/search.md)
RELEVANT = 0.5  # the least relevance of a page that a search shows


# Keys are comparable, so that ties have an order.
K = TypeVar("K", str, int, tuple[str, int])
P = TypeVar("P", str, int, tuple[str, int])


class Fused(Struct, Generic[K], frozen=True, kw_only=True):
    """A hit. `score` is the sum of its two parts, 0..1. Its score and rank in each list are kept.

    Ranks count from 1. Score and rank are None if the hit is not in that list.
    """

    key: K
    score: float
    lexical_part: float
    semantic_part: float
    lexical_score: float | None
    lexical_rank: int | None
    semantic_score: float | None
    semantic_rank: int | None


def fuse(
    lexical: Mapping[K, float], semantic: Mapping[K, float], *, semantic_weight: float
) -> list[Fused[K]]:
    """Return the hits of both lists, best first.

    Each list is scaled to 0..1 over its own range; a key that a list lacks counts as 0. The score is the weighted
    sum. Callers cut each list to DEPTH. In a tie the smaller key comes first, so that the order can be repeated.
    """
    lexical_scaled, semantic_scaled = min_max(lexical), min_max(semantic)
    lexical_ranks, semantic_ranks = _ranks(lexical), _ranks(semantic)
    hits = []
    for key in {**lexical, **semantic}:
        lexical_part = (1 - semantic_weight) * lexical_scaled.get(key, 0.0)
        semantic_part = semantic_weight * semantic_scaled.get(key, 0.0)
        hits.append(
            Fused(
                key=key,
                score=lexical_part + semantic_part,
                lexical_part=lexical_part,
                semantic_part=semantic_part,
                lexical_score=lexical.get(key),
                lexical_rank=lexical_ranks.get(key),
                semantic_score=semantic.get(key),
                semantic_rank=semantic_ranks.get(key),
            )
        )
    return sorted(hits, key=lambda hit: (-hit.score, hit.key))


def best_children(scores: Mapping[K, float], parent: Callable[[K], P]) -> dict[P, tuple[K, float]]:
    """Return each parent's best child and that child's score, best parent first. Used to rank pages by chunks."""
    best: dict[P, tuple[K, float]] = {}
    for child, score in _sorted(scores):
        best.setdefault(parent(child), (child, score))
    return best


def first_of_each(hits: Iterable[Fused[K]], parent: Callable[[K], P]) -> list[Fused[K]]:
    """Return the first hit of each parent in the given order. Used to reduce pages to items."""
    firsts: dict[P, Fused[K]] = {}
    for hit in hits:
        firsts.setdefault(parent(hit.key), hit)
    return list(firsts.values())


def semantic_weight_for(query: str, *, model: str | None, coverage: float) -> float:
    """Return the weight of the vectors of `model`, 0..1, by what it can read of the query's language.

    `coverage` is the largest share that a page's words have in the weight of the query's. Where the model reads the
    language, words count as much as that share, at most 0.45: a question in one language about pages in another shares
    only names and chance words with them. A model of English alone counts little for other Latin languages, and
    nothing for other scripts. Of an unknown model it is not known which languages it reads.
    """
    language, languages = language_of(query), find_embedding_model(model).languages
    if languages == "all" or language in ("en", None):
        return 1 - min(_MOST_OF_WORDS, coverage)
    if languages == "en" and language not in LATIN:
        return 0.0
    return _WEAK_WEIGHT


def reads(query: str, *, model: str) -> bool:
    """Return whether the model reads the query's language, as far as both are known."""
    return find_embedding_model(model).languages != "en" or language_of(query) in ("en", None)


def is_relevant(
    *, semantic_score: float | None, coverage: float | None, model: str | None, query: str = ""
) -> bool:
    """Return whether a passage can be relevant to the query, rather than the best of passages that are not.

    `semantic_score` is the cosine, None without vectors; `model` made the vectors. `coverage` is the weight of the
    query's words that are on the page, as a share of the weight of all its words. The bounds are the model's
    (model/search/embedding_models.py; docs/search.md has what they keep). A model of which nothing is known may give
    high cosines to all texts: its cosine counts from 0.42 on, and only for a page with a quarter of the words' weight.
    Good hits are not told from middling hits on the same subject.
    """
    share = coverage or 0.0
    if semantic_score is None:
        return share >= _LEAST_COVERAGE_ALONE
    is_known = find_embedding_model(model).least_cosine is not None
    least_share = _LEAST_COVERAGE if is_known else _LEAST_COVERAGE_ALONE
    return nearness(semantic_score, share, model, query) >= RELEVANT or share >= least_share


def relevance(
    *, semantic_score: float | None, coverage: float | None, model: str | None, query: str = ""
) -> float:
    """Return how relevant a page is to the query, 0..1, whatever else was found; from RELEVANT on a search shows it.

    The better one of cosine and coverage counts. RELEVANT stands for the bound of either; it is linear on both sides.
    A search shows more than is_relevant lets answers be made from: one word of two is a reason to look at a page.
    """
    share = coverage or 0.0
    near = 0.0 if semantic_score is None else nearness(semantic_score, share, model, query)
    return max(near, _scaled(share, _LEAST_COVERAGE_SHOWN))


def nearness(cosine: float, coverage: float, model: str | None, query: str) -> float:
    """Return the cosine scaled to 0..1, so that the model's bound is RELEVANT; 0 where the cosine shows nothing."""
    is_known = find_embedding_model(model).least_cosine is not None
    if not is_known and coverage < _LEAST_COVERAGE_OF_UNKNOWN:
        return 0.0
    return _scaled(cosine, _bound_of(model, query))


def nearness_of_picture(cosine: float) -> float:
    """Return the cosine of a text with what an image shows, scaled to 0..1 so that the bound is RELEVANT."""
    return _scaled(cosine, _LEAST_COSINE_OF_PICTURES)


def cosine_as_near(cosine: float, *, model: str | None, query: str) -> float:
    """Return the cosine that texts have in the space of `model` when they are as near as an image with this cosine.

    Cosines of two spaces are not on one scale: they are brought to that of the texts by the bounds of both.
    """
    near, bound = nearness_of_picture(cosine), _bound_of(model, query)
    if near < RELEVANT:
        return bound * near / RELEVANT
    return bound + (1 - bound) * (near - RELEVANT) / (1 - RELEVANT)


def _bound_of(model: str | None, query: str) -> float:
    """Return the least cosine of a relevant text; of a model that was not measured, the one that stands in."""
    known = find_embedding_model(model)
    if known.least_cosine_abroad is not None and language_of(query) not in ("en", None):
        return known.least_cosine_abroad
    return _LEAST_COSINE_OF_UNKNOWN if known.least_cosine is None else known.least_cosine


def _scaled(value: float, bound: float) -> float:
    if value < bound:
        return RELEVANT * max(value, 0.0) / bound
    return RELEVANT + (1 - RELEVANT) * (min(value, 1.0) - bound) / (1 - bound)


def min_max(scores: Mapping[K, float]) -> dict[K, float]:
    """Return the scores scaled so that the worst is 0 and the best is 1. Equal scores all become 1."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in scores.items()}


def _ranks(scores: Mapping[K, float]) -> dict[K, int]:
    return {key: rank for rank, (key, _) in enumerate(_sorted(scores), start=1)}


def _sorted(scores: Mapping[K, float]) -> list[tuple[K, float]]:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
