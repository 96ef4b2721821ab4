"""The hosted models as wiring makes them, asked at a local server, and with waits that take no time."""

from collections.abc import Callable
from typing import Any

from botocore.credentials import Credentials
from msgspec import Struct

from chalicelib.providers import Spend
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.attempts import Providers
from chalicelib.providers.models.bedrock_converse import BedrockConverse
from chalicelib.providers.models.bedrock_invoke import (
    BedrockRerank,
    CohereEmbeddings,
    TitanEmbeddings,
    TitanMultimodal,
)
from chalicelib.providers.models.chat import HostedChat
from chalicelib.providers.models.embedder import EmbeddingApi, HostedEmbedder
from chalicelib.providers.models.embeddings_openai import OpenAIEmbeddings
from chalicelib.providers.models.openai_completions import OpenAICompletions
from chalicelib.providers.models.rerankers import HostedReranker, HttpRerank
from chalicelib.providers.models.voyage import VoyageEmbeddings, VoyageMultimodal

KEY = "sk-very-secret-0123456789"
AWS_SECRET = "very/secret/of/aws/0123456789"
AWS: dict[str, Any] = {
    "region": "eu-west-1",
    "find_credentials": lambda: Credentials("AKIDOFTHETESTS", AWS_SECRET, "session-token-of-the-tests"),
}
Waits = list[float]


def providers(*clients: Any, waits: Waits | None = None) -> Providers[Any]:
    kept = waits if waits is not None else []
    return Providers(clients, sleep=kept.append)


def openai_embedder(base_url: str, *, key: str | None, model: str, dimensions: int) -> HostedEmbedder:
    api = OpenAIEmbeddings(base_url=base_url, api_key=key, model=model)
    return HostedEmbedder(providers(api), dimensions=dimensions)


class Vendor(Struct, frozen=True, kw_only=True):
    """A provider in one role. `make` takes a server's address and returns a client of the provider."""

    name: str
    role: str
    make: Callable[[str], Any]

    def ask(
        self, url: str, *, timeout_s: float = 30.0, waits: Waits | None = None, spend: Spend | None = None
    ) -> Any:
        """Return the answer to a plain question of the role."""
        return ask(self.role, providers(self.make(url), waits=waits), timeout_s=timeout_s, spend=spend)


def ask(role: str, asked: Providers[Any], *, timeout_s: float = 30.0, spend: Spend | None = None) -> Any:
    from chalicelib.model.prompts import QUESTION

    if role == "writer":
        chat = HostedChat(asked)
        given: dict[str, Any] = {"schema": QUESTION, "max_tokens": 99, "timeout_s": timeout_s}
        return chat.complete("Be brief.", "Is it?", **given, spend=spend).value
    if role == "embedder":
        return HostedEmbedder(asked, dimensions=2).embed(["a text"], timeout_s=timeout_s, spend=spend)
    return HostedReranker(asked).rerank("a query", ["one", "two"], timeout_s=timeout_s, spend=spend)


def _embedder(make: type[EmbeddingApi], **given: Any) -> Callable[[str], EmbeddingApi]:
    return lambda url: make(base_url=url, dimensions=2, **given)


WRITERS = [
    Vendor(
        name="anthropic",
        role="writer",
        make=lambda url: AnthropicMessages(base_url=url, api_key=KEY, model="claude-of-the-tests"),
    ),
    Vendor(
        name="openai",
        role="writer",
        make=lambda url: OpenAICompletions(base_url=f"{url}/v1", api_key=KEY, model="gpt-of-the-tests"),
    ),
    Vendor(
        name="bedrock",
        role="writer",
        make=lambda url: BedrockConverse(base_url=url, model="eu.maker.model-v1:0", **AWS),
    ),
]
EMBEDDERS = [
    Vendor(
        name="voyage",
        role="embedder",
        make=lambda url: VoyageEmbeddings(base_url=f"{url}/v1", api_key=KEY, model="voyage-4", dimensions=2),
    ),
    Vendor(
        name="voyage multimodal",
        role="embedder",
        make=lambda url: VoyageMultimodal(
            base_url=f"{url}/v1", api_key=KEY, model="voyage-multimodal-3.5", dimensions=2
        ),
    ),
    Vendor(
        name="openai",
        role="embedder",
        make=lambda url: OpenAIEmbeddings(base_url=f"{url}/v1", api_key=KEY, model="text-embedding-3-small"),
    ),
    Vendor(
        name="titan",
        role="embedder",
        make=_embedder(TitanEmbeddings, model="amazon.titan-embed-text-v2:0", **AWS),
    ),
    Vendor(
        name="titan multimodal",
        role="embedder",
        make=_embedder(TitanMultimodal, model="amazon.titan-embed-image-v1", **AWS),
    ),
    Vendor(
        name="cohere on bedrock",
        role="embedder",
        make=_embedder(CohereEmbeddings, model="cohere.embed-v4:0", **AWS),
    ),
]
RERANKERS = [
    Vendor(
        name="voyage",
        role="reranker",
        make=lambda url: HttpRerank(provider="voyage", base_url=f"{url}/v1", api_key=KEY, model="rerank-2.5"),
    ),
    Vendor(
        name="cohere",
        role="reranker",
        make=lambda url: HttpRerank(base_url=f"{url}/v2", api_key=KEY, model="rerank-v3.5"),
    ),
    Vendor(
        name="bedrock",
        role="reranker",
        make=lambda url: BedrockRerank(base_url=url, model="cohere.rerank-v3-5:0", **AWS),
    ),
]
VENDORS = [*WRITERS, *EMBEDDERS, *RERANKERS]
