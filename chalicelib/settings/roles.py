"""Roles of models: who may be asked in each, for which model, and what must be set for it."""

from collections.abc import Mapping

from msgspec import Struct

from chalicelib.errors import InvalidSetting


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
PICTURES = Role(
    name="PICTURE_EMBEDDING",
    defaults={"voyage": "voyage-multimodal-3.5", "bedrock": "amazon.titan-embed-image-v1", "none": ""},
    url="PICTURE_EMBEDDINGS_URL",
    of_url="voyage",
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
ROLES = (ANALYZER, CHAT, EMBEDDING, PICTURES, RERANK)
# Nova 2 is reached through an inference profile, which keeps requests within a part of the world where there is one.
_PROFILES = {"us-": "us.", "eu-": "eu.", "ap-northeast-1": "jp.", "ap-northeast-3": "jp."}


def chosen_for(env: Mapping[str, str], role: Role, default: str, region: str) -> tuple[Chosen, ...]:
    """Return the role's providers in order, with their models; `default` is the provider if none is set."""
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


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]
