"""Choose the provider of each model: one setting a role, with defaults by the keys that are set.

    role       provider                                    model             address
    analyzer   ANALYZER_PROVIDER: anthropic openai         ANALYZER_MODEL    ANALYZER_URL
                 bedrock local
    chat       CHAT_PROVIDER: anthropic openai bedrock     CHAT_MODEL        CHAT_URL
                 none
    embedder   EMBEDDING_PROVIDER: voyage openai bedrock   EMBEDDING_MODEL   EMBEDDINGS_URL
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


class Chosen(Struct, frozen=True, kw_only=True):
    """A provider, its model, and its address if that is not the provider's own."""

    provider: str
    model: str
    url: str | None = None


class Role(Struct, frozen=True, kw_only=True):
    """`defaults` has each provider's model; `of_url` is the provider that an address alone chooses."""

    name: str
    defaults: Mapping[str, str]
    url: str
    of_url: str

    @property
    def provider_variable(self) -> str:
        return f"{self.name}_PROVIDER"

    @property
    def model_variable(self) -> str:
        return f"{self.name}_MODEL"


class ModelSettings(Struct, frozen=True, kw_only=True):
    """Providers in the order they are asked. Without an analyzer or embedder, what needs it says so when it is used."""

    analyzers: tuple[Chosen, ...]
    chats: tuple[Chosen, ...]
    embedder: Chosen | None
    embedding_dimensions: int
    rerankers: tuple[Chosen, ...]
    judges_answers: bool = False
    next_embedder: Chosen | None = None
    next_dimensions: int = 0


NOVA = "amazon.nova-2-lite-v1:0"
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "voyage": "VOYAGE_API_KEY"}
ANALYZER = Role(
    name="ANALYZER",
    defaults={"anthropic": "claude-haiku-5-5", "openai": "gpt-5.4-mini", "bedrock": NOVA, "local": "local"},
    url="ANALYZER_URL",
    of_url="local",
)
CHAT = Role(
    name="CHAT",
    defaults={"anthropic": "claude-sonnet-5-5", "openai": "gpt-5.4-mini", "bedrock": NOVA, "none": ""},
    url="CHAT_URL",
    of_url="openai",
)
EMBEDDING = Role(
    name="EMBEDDING",
    defaults={
        "voyage": "voyage-4",
        "openai": "text-embedding-3-small",
        "bedrock": "amazon.titan-embed-text-v2:0",
    },
    url="EMBEDDINGS_URL",
    of_url="openai",
)
RERANK = Role(
    name="RERANK",
    defaults={
        "voyage": "rerank-2.5",
        "cohere": "rerank-v3.5",
        "bedrock": "cohere.rerank-v3-5:0",
        "none": "",
    },
    url="RERANK_URL",
    of_url="cohere",
)
ROLES = (ANALYZER, CHAT, EMBEDDING, RERANK)
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
    "cohere.embed-v4:0": (1536, 256, 512, 1024),
    "cohere.embed-multilingual-v3": (1024,),
    "cohere.embed-english-v3": (1024,),
}
OTHER_DIMENSIONS, MAX_DIMENSIONS = 1536, 4000
_ON_BEDROCK = pattern(r"titan-embed-text-v2|cohere\.embed-")
# Nova 2 is reached through an inference profile, which keeps requests within a part of the world where there is one.
_PROFILES = {"us-": "us.", "eu-": "eu.", "ap-northeast-1": "jp.", "ap-northeast-3": "jp."}


def choose_models(env: Mapping[str, str], *, local: bool, region: str) -> ModelSettings:
    """Return what is set, or the defaults. Raises InvalidSetting for the first variable that does not fit."""
    embedder, dimensions = _embedder(env, local=local, region=region)
    next_embedder, next_dimensions = _next_embedder(env, local=local, region=region)
    if next_embedder and (next_embedder.model, next_dimensions) == (embedder and embedder.model, dimensions):
        raise InvalidSetting(
            "NEXT_EMBEDDING_MODEL: must be another model than EMBEDDING_MODEL, or have other dimensions"
        )
    chats = _chosen(env, CHAT, _writer_default(env, CHAT, local=local), region)
    judges_answers = choice(env, "JUDGE_ANSWERS", ("true", "false"), default="false") == "true"
    if judges_answers and not chats:
        raise InvalidSetting("JUDGE_ANSWERS: needs a chat model: set CHAT_PROVIDER")
    return ModelSettings(
        analyzers=_chosen(env, ANALYZER, _writer_default(env, ANALYZER, local=local), region),
        chats=chats,
        judges_answers=judges_answers,
        embedder=embedder,
        embedding_dimensions=dimensions,
        next_embedder=next_embedder,
        next_dimensions=next_dimensions,
        rerankers=_chosen(env, RERANK, "cohere" if env.get("RERANK_URL") else "none", region),
    )


def _embedder(env: Mapping[str, str], *, local: bool, region: str) -> tuple[Chosen | None, int]:
    """Return the embedder, None without one, and its dimensions."""
    embedders = _chosen(env, EMBEDDING, _embedding_default(env, local=local), region)
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


def _chosen(env: Mapping[str, str], role: Role, default: str, region: str) -> tuple[Chosen, ...]:
    variable = role.provider_variable
    providers = _words(env.get(variable) or default)
    if providers == ["none"] and ("none" in role.defaults or not env.get(variable)):
        return ()
    wrong = [provider for provider in providers if provider not in role.defaults]
    if wrong or len(set(providers)) != len(providers) or "none" in providers:
        raise InvalidSetting(f"{variable}: must be of {', '.join(role.defaults)}, each once")
    models = _words(env.get(role.model_variable) or "")
    if len(models) > len(providers):
        raise InvalidSetting(f"{role.model_variable}: has more models than {variable} has providers")
    url = env.get(role.url) or None
    if providers[0] == "bedrock" and url:
        raise InvalidSetting(f"{role.url}: is not for bedrock, which is asked in AWS_REGION")
    if "local" in providers and (url is None or providers != ["local"]):
        raise InvalidSetting(f"{role.url}: must be set for local, which stands alone in {variable}")
    if url and providers[0] in ("openai", "cohere") and not models:
        raise InvalidSetting(
            f"{role.model_variable}: must be set, to a model that the server at {role.url} has"
        )
    found = []
    for place, provider in enumerate(providers):
        own_url = url if place == 0 else None
        _require_key(env, provider, role, url=own_url)
        model = models[place] if place < len(models) else _default_model(role, provider, region)
        found.append(Chosen(provider=provider, model=model, url=own_url))
    return tuple(found)


def _require_key(env: Mapping[str, str], provider: str, role: Role, *, url: str | None) -> None:
    name = "RERANK_API_KEY" if provider == "cohere" else KEYS.get(provider)
    keyless = url is not None and provider in ("openai", "cohere")  # a server of one's own may want none
    if name and not env.get(name) and not keyless:
        raise InvalidSetting(f"{name}: must be set for {role.provider_variable} {provider}")


def _default_model(role: Role, provider: str, region: str) -> str:
    model = role.defaults[provider]
    if model != NOVA:
        return model
    prefix = next((prefix for start, prefix in _PROFILES.items() if region.startswith(start)), "global.")
    return prefix + model


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


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]
