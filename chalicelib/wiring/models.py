"""Assembles the models of each role from the settings. It is imported when a model is asked for first."""

from collections.abc import Callable
from typing import Any

from chalicelib.errors import Misconfigured
from chalicelib.providers import Analyzer, ChatModel, Embedder, Reranker
from chalicelib.providers.models.analyzer import HostedAnalyzer
from chalicelib.providers.models.analyzer_local import LocalAnalyzer
from chalicelib.providers.models.anthropic_messages import ANTHROPIC_URL, AnthropicMessages
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
from chalicelib.providers.models.openai_completions import OPENAI_URL, OpenAICompletions
from chalicelib.providers.models.rerankers import COHERE_URL, HostedReranker, HttpRerank, RerankApi
from chalicelib.providers.models.voyage import VOYAGE_URL, VoyageEmbeddings, VoyageMultimodal
from chalicelib.providers.models.writing import Writer
from chalicelib.settings import Settings
from chalicelib.settings.roles import Chosen

KeyRefused = Callable[[], None]  # called when a provider refuses our key


def make_analyzer(settings: Settings, on_key_refused: KeyRefused = lambda: None) -> Analyzer:
    chosen = settings.models.analyzers
    if not chosen:
        raise Misconfigured("No analyzer is configured: set ANALYZER_PROVIDER.", code="no_analyzer")
    if chosen[0].provider == "local":
        return LocalAnalyzer(base_url=chosen[0].url or "")
    return HostedAnalyzer(Providers([_writer(each, settings, on_key_refused) for each in chosen]))


def make_chat(settings: Settings, on_key_refused: KeyRefused = lambda: None) -> ChatModel:
    return HostedChat(Providers([_writer(each, settings, on_key_refused) for each in settings.models.chats]))


def make_embedder(settings: Settings, on_key_refused: KeyRefused = lambda: None) -> Embedder:
    chosen = settings.models.embedder
    if chosen is None:
        raise Misconfigured("No embedder is configured: set EMBEDDING_PROVIDER.", code="no_embedder")
    models = settings.models
    following = pictures = None
    if models.next_embedder is not None:
        following = _embedder(models.next_embedder, models.next_dimensions, settings, on_key_refused)
    if models.picture_embedder is not None:
        pictures = _embedder(models.picture_embedder, models.picture_dimensions, settings, on_key_refused)
    return _embedder(
        chosen, models.embedding_dimensions, settings, on_key_refused, next=following, pictures=pictures
    )


def _embedder(
    chosen: Chosen,
    dimensions: int,
    settings: Settings,
    on_key_refused: KeyRefused,
    **beside: Embedder | None,
) -> HostedEmbedder:
    api = Providers([_embedding_api(chosen, dimensions, settings, on_key_refused)])
    return HostedEmbedder(api, dimensions=dimensions, **beside)


def make_reranker(settings: Settings, on_key_refused: KeyRefused = lambda: None) -> Reranker:
    return HostedReranker(
        Providers([_rerank_api(each, settings, on_key_refused) for each in settings.models.rerankers])
    )


def _writer(chosen: Chosen, settings: Settings, on_key_refused: KeyRefused) -> Writer:
    model = chosen.model
    if chosen.provider == "anthropic":
        key = settings.anthropic_api_key or ""
        return AnthropicMessages(
            base_url=chosen.url or ANTHROPIC_URL, api_key=key, model=model, on_key_refused=on_key_refused
        )
    if chosen.provider == "openai":
        url = chosen.url or OPENAI_URL
        return OpenAICompletions(
            base_url=url, api_key=settings.openai_api_key, model=model, on_key_refused=on_key_refused
        )
    return BedrockConverse(model=model, **_bedrock(settings))


def _embedding_api(
    chosen: Chosen, dimensions: int, settings: Settings, on_key_refused: KeyRefused
) -> EmbeddingApi:
    model = chosen.model
    if chosen.provider == "voyage":
        voyage_key, url = settings.voyage_api_key or "", chosen.url or VOYAGE_URL
        made = VoyageMultimodal if "multimodal" in model else VoyageEmbeddings
        return made(
            base_url=url,
            api_key=voyage_key,
            model=model,
            dimensions=dimensions,
            on_key_refused=on_key_refused,
        )
    if chosen.provider == "openai":
        url = chosen.url or OPENAI_URL
        # Older models, and servers of one's own, know no such parameter.
        asked = dimensions if url == OPENAI_URL and model.startswith("text-embedding-3") else None
        key = settings.openai_api_key
        return OpenAIEmbeddings(
            base_url=url, api_key=key, model=model, dimensions=asked, on_key_refused=on_key_refused
        )
    if "cohere." in model:
        return CohereEmbeddings(model=model, dimensions=dimensions, **_bedrock(settings))
    on_bedrock = TitanMultimodal if "embed-image" in model else TitanEmbeddings
    return on_bedrock(model=model, dimensions=dimensions, **_bedrock(settings))


def _rerank_api(chosen: Chosen, settings: Settings, on_key_refused: KeyRefused) -> RerankApi:
    if chosen.provider == "bedrock":
        return BedrockRerank(model=chosen.model, **_bedrock(settings))
    is_voyage = chosen.provider == "voyage"
    return HttpRerank(
        provider=chosen.provider,
        base_url=chosen.url or (VOYAGE_URL if is_voyage else COHERE_URL),
        api_key=settings.voyage_api_key if is_voyage else settings.rerank_api_key,
        model=chosen.model,
        on_key_refused=on_key_refused,
    )


def _bedrock(settings: Settings) -> dict[str, Any]:
    """Return where Bedrock is, and who asks."""
    import boto3

    return {
        "region": settings.aws_region,
        "base_url": settings.bedrock_url,
        "find_credentials": boto3.Session().get_credentials,
    }
