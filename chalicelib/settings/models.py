"""Choose the provider of each model: one setting a role, with defaults by the keys that are set.

    role       provider                                    model             address
    analyzer   ANALYZER_PROVIDER: anthropic openai         ANALYZER_MODEL    ANALYZER_URL
                 bedrock local
    chat       CHAT_PROVIDER: anthropic openai bedrock     CHAT_MODEL        CHAT_URL
                 none
    embedder   EMBEDDING_PROVIDER: voyage openai bedrock   EMBEDDING_MODEL   EMBEDDINGS_URL
    pictures   PICTURE_EMBEDDING_PROVIDER: voyage          PICTURE_EMBEDDING_MODEL, PICTURE_EMBEDDINGS_URL
                 bedrock none
    reranker   RERANK_PROVIDER: voyage cohere bedrock      RERANK_MODEL      RERANK_URL
                 none

Several providers with commas between them are asked in that order, the next when one is away. The address replaces the
first one's own. NEXT_EMBEDDING_PROVIDER, NEXT_EMBEDDING_MODEL, NEXT_EMBEDDING_DIMENSIONS and NEXT_EMBEDDINGS_URL name
the embedder that the index is moved to, while it is. JUDGE_ANSWERS=true has the chat model judge what it wrote.
"""

from collections.abc import Mapping

from msgspec import Struct

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern
from chalicelib.settings.readers import choice
from chalicelib.settings.roles import (
    ANALYZER,
    CHAT,
    EMBEDDING,
    KEYS,
    PICTURES,
    RERANK,
    ROLES,
    Chosen,
    Role,
    chosen_for,
)


class ModelSettings(Struct, frozen=True, kw_only=True):
    """Providers in the order they are asked. Without an analyzer or embedder, what needs it says so when it is used.

    `picture_embedder` makes vectors of pictures, in a set of their own, where the embedder sees none.
    """

    analyzers: tuple[Chosen, ...]
    chats: tuple[Chosen, ...]
    embedder: Chosen | None
    embedding_dimensions: int
    rerankers: tuple[Chosen, ...]
    judges_answers: bool = False
    next_embedder: Chosen | None = None
    next_dimensions: int = 0
    picture_embedder: Chosen | None = None
    picture_dimensions: int = 0


EMBEDDER = (EMBEDDING.provider_variable, EMBEDDING.model_variable, EMBEDDING.url, "EMBEDDING_DIMENSIONS")
VARIABLES = (
    *(name for role in ROLES for name in (role.provider_variable, role.model_variable, role.url)),
    "EMBEDDING_DIMENSIONS",
    "JUDGE_ANSWERS",
    *(f"NEXT_{name}" for name in EMBEDDER),
)
# The first is what the model answers unasked.
DIMENSIONS = {
    "voyage-4": (1024, 256, 512, 2048),
    "voyage-4-large": (1024, 256, 512, 2048),
    "voyage-4-lite": (1024, 256, 512, 2048),
    "voyage-multimodal-3.5": (1024, 256, 512, 2048),
    "voyage-3.5": (1024, 256, 512, 2048),
    "voyage-3.5-lite": (1024, 256, 512, 2048),
    "amazon.titan-embed-text-v2:0": (1024, 256, 512),
    "amazon.titan-embed-image-v1": (1024, 256, 384),
    "cohere.embed-v4:0": (1536, 256, 512, 1024),
    "cohere.embed-multilingual-v3": (1024,),
    "cohere.embed-english-v3": (1024,),
}
OTHER_DIMENSIONS, MAX_DIMENSIONS = 1536, 4000
_ON_BEDROCK = pattern(r"titan-embed-text-v2|cohere\.embed-")
_SEEING = {"voyage": "multimodal", "bedrock": "titan-embed-image"}  # in the names of models that see pictures


def choose_models(env: Mapping[str, str], *, local: bool, region: str) -> ModelSettings:
    """Return what is set, or the defaults. Raises InvalidSetting for the first variable that does not fit."""
    embedder, dimensions = _embedder(env, local=local, region=region)
    next_embedder, next_dimensions = _next_embedder(env, local=local, region=region)
    if next_embedder and (next_embedder.model, next_dimensions) == (embedder and embedder.model, dimensions):
        raise InvalidSetting(
            "NEXT_EMBEDDING_MODEL: must be another model than EMBEDDING_MODEL, or have other dimensions"
        )
    picture_embedder = _picture_embedder(env, embedder, region=region)
    chats = chosen_for(env, CHAT, _writer_default(env, CHAT, local=local), region)
    judges_answers = choice(env, "JUDGE_ANSWERS", ("true", "false"), default="false") == "true"
    if judges_answers and not chats:
        raise InvalidSetting("JUDGE_ANSWERS: needs a chat model: set CHAT_PROVIDER")
    return ModelSettings(
        analyzers=chosen_for(env, ANALYZER, _writer_default(env, ANALYZER, local=local), region),
        chats=chats,
        judges_answers=judges_answers,
        embedder=embedder,
        embedding_dimensions=dimensions,
        next_embedder=next_embedder,
        next_dimensions=next_dimensions,
        picture_embedder=picture_embedder,
        picture_dimensions=DIMENSIONS[picture_embedder.model][0] if picture_embedder else 0,
        rerankers=chosen_for(env, RERANK, "cohere" if env.get("RERANK_URL") else "none", region),
    )


def _embedder(env: Mapping[str, str], *, local: bool, region: str) -> tuple[Chosen | None, int]:
    """Return the embedder, None without one, and its dimensions."""
    embedders = chosen_for(env, EMBEDDING, _embedding_default(env, local=local), region)
    if len(embedders) > 1:
        raise InvalidSetting("EMBEDDING_PROVIDER: must be one: vectors of two models cannot be compared")
    embedder = embedders[0] if embedders else None
    if embedder and embedder.provider == "bedrock" and not _ON_BEDROCK.search(embedder.model):
        raise InvalidSetting(
            "EMBEDDING_MODEL: must be amazon.titan-embed-text-v2:0 or one of Cohere's on Bedrock"
        )
    return embedder, _dimensions(env, embedder.model if embedder else "")


def _next_embedder(env: Mapping[str, str], *, local: bool, region: str) -> tuple[Chosen | None, int]:
    """Return the embedder that the index is moved to; None unless NEXT_EMBEDDING_MODEL is set."""
    if not env.get("NEXT_EMBEDDING_MODEL"):
        return None, 0
    others = {name: value for name, value in env.items() if name not in EMBEDDER}
    given = {name: env[f"NEXT_{name}"] for name in EMBEDDER if env.get(f"NEXT_{name}")}
    try:
        found, dimensions = _embedder(others | given, local=local, region=region)
    except InvalidSetting as error:
        raise InvalidSetting(f"NEXT_{error}") from None
    if found is None:
        raise InvalidSetting("NEXT_EMBEDDINGS_URL: must be set, or NEXT_EMBEDDING_PROVIDER")
    return found, dimensions


def _picture_embedder(env: Mapping[str, str], embedder: Chosen | None, *, region: str) -> Chosen | None:
    """Return the embedder that pictures have beside that of texts; None unless PICTURE_EMBEDDING_PROVIDER is set."""
    chosen = chosen_for(env, PICTURES, "none", region)
    if not chosen:
        unused = next((name for name in (PICTURES.model_variable, PICTURES.url) if env.get(name)), None)
        if unused:
            raise InvalidSetting(f"{unused}: needs {PICTURES.provider_variable}")
        return None
    if len(chosen) > 1:
        raise InvalidSetting(
            f"{PICTURES.provider_variable}: must be one: vectors of two models cannot be compared"
        )
    if chosen[0].model not in DIMENSIONS or not _sees_pictures(chosen[0]):
        known = PICTURES.defaults[chosen[0].provider]
        raise InvalidSetting(f"{PICTURES.model_variable}: must be a model that sees pictures, as {known}")
    if embedder and _sees_pictures(embedder):
        raise InvalidSetting(
            f"{PICTURES.provider_variable}: is for a model of texts alone; {embedder.model} sees pictures itself"
        )
    return chosen[0]


def _sees_pictures(chosen: Chosen) -> bool:
    return chosen.provider in _SEEING and _SEEING[chosen.provider] in chosen.model


def _writer_default(env: Mapping[str, str], role: Role, *, local: bool) -> str:
    """Return the writer for a stage that names none. On a laptop a key alone sends nothing away."""
    if env.get(role.url):
        return role.of_url
    if local and not env.get(role.model_variable):
        return "none"
    for provider in ("anthropic", "openai"):
        if env.get(KEYS[provider]):
            return provider
    if local:
        raise InvalidSetting(
            f"{role.model_variable}: needs {role.url}, {' or '.join(list(KEYS.values())[:2])}"
        )
    return "bedrock"


def _embedding_default(env: Mapping[str, str], *, local: bool) -> str:
    if env.get(EMBEDDING.url):
        return EMBEDDING.of_url
    if local:
        return "none"
    keyed = (provider for provider in ("voyage", "openai") if env.get(KEYS[provider]))
    return next(keyed, "bedrock")


def _dimensions(env: Mapping[str, str], model: str) -> int:
    known = DIMENSIONS.get(model)
    text = env.get("EMBEDDING_DIMENSIONS") or str(known[0] if known else OTHER_DIMENSIONS)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_DIMENSIONS:
        raise InvalidSetting(f"EMBEDDING_DIMENSIONS: must be a whole number from 1 to {MAX_DIMENSIONS}")
    if known and int(text) not in known:
        raise InvalidSetting(
            f"EMBEDDING_DIMENSIONS: must be one of {', '.join(map(str, sorted(known)))} for {model}"
        )
    return int(text)
