"""Lists what search has to know of embedding models: the languages they read, and which cosines are relevant."""

from msgspec import Struct


class EmbeddingModel(Struct, frozen=True, kw_only=True):
    """`languages`: "all" stands for about a hundred; None: not known.

    `least_cosine` is the least one of a passage that is relevant to a query; None: it was not measured, and a cosine
    alone shows nothing. `least_cosine_abroad` is that of queries that are not English, if it is another one.
    """

    languages: str | None = None
    least_cosine: float | None = None
    least_cosine_abroad: float | None = None


# By the beginning of the model's name. The languages are those that the vendors' pages state (November 2026). Bounds
# are measured by `python -m bench.relevance`; those of vendors' models were not: 0.42 is taken over for them, as texts
# that have nothing in common are nearer to 0 there too. Both are in docs/search.md.
_VENDORS = EmbeddingModel(languages="all", least_cosine=0.42)
_KNOWN = {
    "minilm-e5-small": EmbeddingModel(languages="all", least_cosine=0.36, least_cosine_abroad=0.18),
    "all-MiniLM-L6-v2": EmbeddingModel(languages="en", least_cosine=0.42),
    "voyage-": _VENDORS,
    "text-embedding-3-": _VENDORS,
    "amazon.titan-embed-text-v2": _VENDORS,
    "amazon.titan-embed-image": EmbeddingModel(languages="en"),
    "cohere.embed-v4": _VENDORS,
    "cohere.embed-multilingual": _VENDORS,
    "cohere.embed-english": EmbeddingModel(languages="en", least_cosine=0.42),
}
_UNKNOWN = EmbeddingModel()


def find_embedding_model(name: str | None) -> EmbeddingModel:
    """Return what is known of the model; of another one nothing is."""
    found = (known for start, known in _KNOWN.items() if (name or "").startswith(start))
    return next(found, _UNKNOWN)
