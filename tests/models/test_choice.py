"""Choice of a provider for each role: the defaults by the keys that are set, and what is refused by name."""

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from chalicelib.errors import Misconfigured
from chalicelib.providers.models.analyzer import HostedAnalyzer
from chalicelib.providers.models.analyzer_local import LocalAnalyzer
from chalicelib.providers.models.bedrock_invoke import CohereEmbeddings, TitanEmbeddings
from chalicelib.settings import InvalidSetting, Settings
from chalicelib.settings.models import DIMENSIONS, ModelSettings
from tests.support.settings import SETTINGS

ANTHROPIC = {"ANTHROPIC_API_KEY": "sk-ant-of-the-tests"}
OPENAI = {"OPENAI_API_KEY": "sk-of-the-tests"}
VOYAGE = {"VOYAGE_API_KEY": "pa-of-the-tests"}
URL = "http://127.0.0.1:11434/v1"
KEYLESS = {"ANALYZER_URL": "http://127.0.0.1:8003", "EMBEDDINGS_URL": URL, "EMBEDDING_MODEL": "m"}


def chosen(**variables: str) -> ModelSettings:
    return Settings.from_env({**SETTINGS, **variables}).models


def named(models: ModelSettings) -> tuple[list[str], list[str], list[str], list[str]]:
    """The providers of the analyzer, of chat, of the embedder and of the reranker."""
    embedders = () if models.embedder is None else (models.embedder,)
    roles = (models.analyzers, models.chats, embedders, models.rerankers)
    analyzers, chats, embeds, reranks = ([each.provider for each in role] for role in roles)
    return analyzers, chats, embeds, reranks


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("bedrock", "bedrock", "bedrock", "")),
        (ANTHROPIC, ("anthropic", "anthropic", "bedrock", "")),
        (OPENAI, ("openai", "openai", "openai", "")),
        (VOYAGE, ("bedrock", "bedrock", "voyage", "")),
        ({**ANTHROPIC, **OPENAI, **VOYAGE}, ("anthropic", "anthropic", "voyage", "")),
        ({**ANTHROPIC, **OPENAI}, ("anthropic", "anthropic", "openai", "")),
        ({**ANTHROPIC, "CHAT_PROVIDER": "none", "ANALYZER_PROVIDER": "bedrock"}, ("bedrock", "", "bedrock", "")),
        ({**ANTHROPIC, **OPENAI, "CHAT_PROVIDER": " openai , anthropic,bedrock"},
         ("anthropic", "openai anthropic bedrock", "openai", "")),
        ({**VOYAGE, "EMBEDDING_PROVIDER": "bedrock", "RERANK_PROVIDER": "voyage,bedrock"},
         ("bedrock", "bedrock", "bedrock", "voyage bedrock")),
        ({**ANTHROPIC, "CHAT_URL": URL, "CHAT_MODEL": "llama"}, ("anthropic", "openai", "bedrock", "")),
        ({"RERANK_URL": URL, "RERANK_MODEL": "m"}, ("bedrock", "bedrock", "bedrock", "cohere")),
        (KEYLESS, ("local", "bedrock", "openai", "")),
        ({"ENVIRONMENT": "local"}, ("", "", "", "")),
        ({"ENVIRONMENT": "local", **KEYLESS}, ("local", "", "openai", "")),
        ({"ENVIRONMENT": "local", **KEYLESS, **ANTHROPIC, **OPENAI, **VOYAGE}, ("local", "", "openai", "")),
        ({"ENVIRONMENT": "local", **ANTHROPIC, "CHAT_MODEL": "m"}, ("", "anthropic", "", "")),
        ({"ENVIRONMENT": "local", **ANTHROPIC, "ANALYZER_PROVIDER": "anthropic"}, ("anthropic", "", "", "")),
    ],
)  # fmt: skip
def test_what_is_set_chooses_the_providers(
    variables: dict[str, str], expected: tuple[str, str, str, str]
) -> None:
    assert named(chosen(**variables)) == tuple(names.split() for names in expected)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"CHAT_PROVIDER": "claude"}, "CHAT_PROVIDER"),
        ({"CHAT_PROVIDER": "voyage", **VOYAGE}, "CHAT_PROVIDER"),
        ({"CHAT_PROVIDER": "bedrock,bedrock"}, "CHAT_PROVIDER"),
        ({"CHAT_PROVIDER": "none,bedrock"}, "CHAT_PROVIDER"),
        ({"JUDGE_ANSWERS": "true", "CHAT_PROVIDER": "none"}, "JUDGE_ANSWERS"),
        ({"JUDGE_ANSWERS": "yes"}, "JUDGE_ANSWERS"),
        ({"ANALYZER_PROVIDER": "none"}, "ANALYZER_PROVIDER"),
        ({"EMBEDDING_PROVIDER": "none"}, "EMBEDDING_PROVIDER"),
        ({"EMBEDDING_PROVIDER": "voyage,openai", **VOYAGE, **OPENAI}, "EMBEDDING_PROVIDER"),
        ({"EMBEDDING_PROVIDER": "anthropic", **ANTHROPIC}, "EMBEDDING_PROVIDER"),
        ({"CHAT_PROVIDER": "anthropic", **OPENAI}, "ANTHROPIC_API_KEY"),
        ({"ANALYZER_PROVIDER": "openai"}, "OPENAI_API_KEY"),
        ({"CHAT_PROVIDER": "anthropic, openai", **ANTHROPIC}, "OPENAI_API_KEY"),
        ({"EMBEDDING_PROVIDER": "voyage"}, "VOYAGE_API_KEY"),
        ({"RERANK_PROVIDER": "voyage"}, "VOYAGE_API_KEY"),
        ({"RERANK_PROVIDER": "cohere"}, "RERANK_API_KEY"),
        ({"CHAT_URL": URL}, "CHAT_MODEL"),
        ({"RERANK_URL": URL}, "RERANK_MODEL"),
        ({"EMBEDDINGS_URL": URL}, "EMBEDDING_MODEL"),
        ({"CHAT_MODEL": "a,b"}, "CHAT_MODEL"),
        ({"ENVIRONMENT": "local", "CHAT_MODEL": "m"}, "CHAT_MODEL"),
        ({"CHAT_PROVIDER": "bedrock", "CHAT_URL": URL}, "CHAT_URL"),
        ({"ANALYZER_PROVIDER": "local"}, "ANALYZER_URL"),
        ({"ANALYZER_PROVIDER": "local,bedrock", "ANALYZER_URL": URL}, "ANALYZER_URL"),
        ({"EMBEDDING_MODEL": "amazon.titan-embed-image-v1"}, "EMBEDDING_MODEL"),
        ({**VOYAGE, "EMBEDDING_DIMENSIONS": "1536"}, "EMBEDDING_DIMENSIONS"),
        ({"EMBEDDING_DIMENSIONS": "2048"}, "EMBEDDING_DIMENSIONS"),
        ({"PICTURE_EMBEDDING_PROVIDER": "openai", **OPENAI}, "PICTURE_EMBEDDING_PROVIDER"),
        ({"PICTURE_EMBEDDING_PROVIDER": "voyage,bedrock", **VOYAGE}, "PICTURE_EMBEDDING_PROVIDER"),
        ({"PICTURE_EMBEDDING_PROVIDER": "voyage"}, "VOYAGE_API_KEY"),
        ({"PICTURE_EMBEDDING_PROVIDER": "voyage", "PICTURE_EMBEDDING_MODEL": "voyage-4", **VOYAGE},
         "PICTURE_EMBEDDING_MODEL"),
        ({"PICTURE_EMBEDDING_PROVIDER": "bedrock", "PICTURE_EMBEDDING_MODEL": "cohere.embed-v4:0"},
         "PICTURE_EMBEDDING_MODEL"),
        ({"PICTURE_EMBEDDING_PROVIDER": "bedrock", "PICTURE_EMBEDDING_MODEL": "voyage-multimodal-3.5"},
         "PICTURE_EMBEDDING_MODEL"),
        ({"PICTURE_EMBEDDING_PROVIDER": "bedrock", "PICTURE_EMBEDDINGS_URL": URL}, "PICTURE_EMBEDDINGS_URL"),
        ({"PICTURE_EMBEDDING_MODEL": "voyage-multimodal-3.5", **VOYAGE}, "PICTURE_EMBEDDING_MODEL"),
        ({"PICTURE_EMBEDDINGS_URL": URL}, "PICTURE_EMBEDDINGS_URL"),
        ({"PICTURE_EMBEDDING_PROVIDER": "bedrock", "EMBEDDING_MODEL": "voyage-multimodal-3.5", **VOYAGE},
         "PICTURE_EMBEDDING_PROVIDER"),
        ({"EMBEDDING_MODEL": "cohere.embed-multilingual-v3", "EMBEDDING_DIMENSIONS": "512"},
         "EMBEDDING_DIMENSIONS"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_by_name(variables: dict[str, str], name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}: ") as refused:
        chosen(**variables)
    assert "of-the-tests" not in str(refused.value)


def test_a_model_is_that_of_the_provider_in_the_same_place() -> None:
    models = chosen(**ANTHROPIC, **OPENAI, CHAT_PROVIDER="openai,anthropic", CHAT_MODEL="gpt-x")
    assert [each.model for each in models.chats] == ["gpt-x", "claude-sonnet-5-5"]
    models = chosen(**ANTHROPIC, **OPENAI, CHAT_PROVIDER="openai,anthropic", CHAT_MODEL="llama", CHAT_URL=URL)
    assert [each.url for each in models.chats] == [URL, None]


@pytest.mark.parametrize(
    ("region", "profile"),
    [("us-east-1", "us."), ("eu-central-1", "eu."), ("ap-northeast-1", "jp."), ("sa-east-1", "global.")],
)
def test_nova_is_asked_in_its_part_of_the_world(region: str, profile: str) -> None:
    (chat,) = chosen(AWS_REGION=region).chats
    assert chat.model == f"{profile}amazon.nova-2-lite-v1:0"
    (named_by_hand,) = chosen(AWS_REGION=region, CHAT_MODEL="anthropic.claude-x").chats
    assert named_by_hand.model == "anthropic.claude-x"


def test_dimensions_are_the_models_own_unless_they_are_set() -> None:
    assert chosen().embedding_dimensions == 1024
    assert chosen(**OPENAI).embedding_dimensions == 1536
    assert chosen(**VOYAGE, EMBEDDING_DIMENSIONS="256").embedding_dimensions == 256
    for model, known in DIMENSIONS.items():
        assert max(known) <= 4000, model


@pytest.fixture
def rewired(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in {**SETTINGS, "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "VOYAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    wiring.forget_all()
    yield monkeypatch
    wiring.forget_all()


def test_wiring_makes_what_is_chosen(rewired: pytest.MonkeyPatch) -> None:
    chat, reranker = wiring.chat_model(), wiring.reranker()
    assert chat and (chat.provider, chat.model) == ("bedrock", "eu.amazon.nova-2-lite-v1:0")
    assert (type(wiring.analyzer()), reranker) == (HostedAnalyzer, None)
    assert (wiring.embedder().model, wiring.embedder().dimensions) == ("amazon.titan-embed-text-v2:0", 1024)
    rewired.setenv("ANALYZER_URL", "http://127.0.0.1:8003")
    rewired.setenv("CHAT_PROVIDER", "none")
    rewired.setenv("EMBEDDING_MODEL", "cohere.embed-v4:0")
    rewired.setenv("RERANK_PROVIDER", "bedrock")
    wiring.forget_all()
    assert (type(wiring.analyzer()), wiring.chat_model()) == (LocalAnalyzer, None)
    assert (wiring.embedder().model, wiring.embedder().dimensions) == ("cohere.embed-v4:0", 1536)
    assert wiring.reranker() is not None and wiring.embedder().pictures is None
    rewired.setenv("PICTURE_EMBEDDING_PROVIDER", "bedrock")
    wiring.forget_all()
    pictures = wiring.embedder().pictures
    assert pictures and (pictures.model, pictures.dimensions) == ("amazon.titan-embed-image-v1", 1024)
    assert pictures.sees_pictures
    assert TitanEmbeddings.max_texts < CohereEmbeddings.max_texts


def test_a_laptop_without_models_says_what_to_set(rewired: pytest.MonkeyPatch) -> None:
    rewired.setenv("ENVIRONMENT", "local")
    wiring.forget_all()
    with pytest.raises(Misconfigured, match="ANALYZER_PROVIDER"):
        wiring.analyzer()
    with pytest.raises(Misconfigured, match="EMBEDDING_PROVIDER"):
        wiring.embedder()
