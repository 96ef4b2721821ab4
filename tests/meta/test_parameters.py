"""Parameters of a stage's template: every function starts with them, and secrets are not shown."""

import re
from typing import Any

import pytest

from chalicelib.model.gateway.gateway_routes import ROUTES, variable_of
from chalicelib.settings import InvalidSetting, Settings
from deploy import overlay
from deploy.policies import FUNCTIONS, STAGES, environment

DEPLOYED = [stage for stage in STAGES if stage != "local"]
SECRET = "a secret of the tests, 32 bytes long"
GIVEN = {"DatabaseUrl": "postgresql://collections_app:x@db/collections", "SessionSecret": SECRET}
UPSTREAMS = {f"Upstream{r.upstream.capitalize()}ServiceUrl": f"https://{r.upstream}.example" for r in ROUTES}


def variables(function: str, stage: str, **given: str) -> dict[str, str]:
    """Return the deployed function's environment variables."""
    template = overlay.template(stage)
    parameters: dict[str, Any] = template["Parameters"]
    assert given.keys() <= parameters.keys()
    values = {name: each["Default"] for name, each in parameters.items() if "Default" in each} | given
    own = template["Resources"][overlay.logical_id(function)]["Properties"]["Environment"]["Variables"]
    return {
        **environment(stage),
        **{name: each["Fn::Sub"] if "Fn::Sub" in each else values[each["Ref"]] for name, each in own.items()},
    }


@pytest.mark.parametrize("stage", DEPLOYED)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_starts_and_none_without_its_secret(function: str, stage: str) -> None:
    found = variables(function, stage, **GIVEN)
    settings = Settings.from_env(found)
    assert (settings.session_secret, settings.session_secret_previous) == (SECRET, None)
    assert settings.upstream_urls == {}
    for name in ("SESSION_SECRET", "DATABASE_URL"):
        with pytest.raises(InvalidSetting, match=name):
            Settings.from_env({**found, name: ""})


def test_the_api_knows_every_upstream_of_the_table_and_nobody_else_does() -> None:
    given = GIVEN | UPSTREAMS | {"UpstreamIdentitySecret": SECRET[::-1], "SessionSecretPrevious": SECRET * 2}
    settings = Settings.from_env(variables("api_handler", "production", **given))
    assert settings.upstream_urls == {r.upstream: f"https://{r.upstream}.example" for r in ROUTES}
    assert (settings.upstream_identity_secret, settings.session_secret_previous) == (SECRET[::-1], SECRET * 2)
    ours = {"UPSTREAM_IDENTITY_SECRET", "SESSION_SECRET_PREVIOUS", *(variable_of(r.upstream) for r in ROUTES)}
    for function in FUNCTIONS:
        seen = variables(function, "production", **given).keys() & ours
        assert seen == (ours if function == "api_handler" else set()), function


def test_who_asks_a_model_knows_where_it_is_and_nobody_else_does() -> None:
    given = GIVEN | {
        "ChatProvider": "openai, anthropic",
        "ChatModel": "m",
        "OpenaiApiKey": "key of the tests",
        "AnthropicApiKey": "key of the tests",
        "VoyageApiKey": "key of the tests",
        "AnalyzerProvider": "anthropic",
        "RerankProvider": "voyage",
    }
    asking = {"api_handler", "RunnerLambda"}
    embedding, analyzing = asking | {"EmbedderLambda"}, {"api_handler", "AnalyzerLambda"}
    for function in FUNCTIONS:
        settings = Settings.from_env(variables(function, "production", **given))
        models = settings.models
        chats = [(each.provider, each.model) for each in models.chats]
        expected = [("openai", "m"), ("anthropic", "claude-sonnet-5-5")] if function in asking else None
        assert expected is None or chats == expected
        assert (settings.voyage_api_key is not None) == (function in embedding)
        assert (settings.anthropic_api_key is not None) == (function in asking | analyzing)
        if function in embedding:
            assert models.embedder and models.embedder.provider == "voyage"
        if function in analyzing:
            assert [each.provider for each in models.analyzers] == ["anthropic"]


def test_a_new_stage_without_keys_asks_bedrock() -> None:
    for function in ("api_handler", "AnalyzerLambda", "EmbedderLambda", "RunnerLambda"):
        models = Settings.from_env(
            variables(function, "production", **GIVEN) | {"AWS_REGION": "eu-west-1"}
        ).models
        nova = ("bedrock", "eu.amazon.nova-2-lite-v1:0")
        assert [(each.provider, each.model) for each in (*models.analyzers, *models.chats)] == [nova, nova]
        assert models.embedder and models.embedder.model == "amazon.titan-embed-text-v2:0"
        assert (models.embedding_dimensions, models.rerankers) == (1024, ())


def test_secrets_are_not_shown_and_none_is_too_short() -> None:
    parameters = overlay.template("production")["Parameters"]
    shown = {name for name, each in parameters.items() if not each.get("NoEcho")}
    roles = ("Analyzer", "Chat", "Rerank", "Embedding")
    addresses = {f"{role}{what}" for role in roles for what in ("Provider", "Model")}
    addresses |= {"AnalyzerUrl", "ChatUrl", "RerankUrl", "EmbeddingsUrl", "EmbeddingDimensions"}
    assert shown == UPSTREAMS.keys() | addresses
    assert parameters["SessionSecret"]["MinLength"] == 32 and "Default" not in parameters["SessionSecret"]
    for name in ("UpstreamIdentitySecret", "SessionSecretPrevious"):
        pattern = parameters[name]["AllowedPattern"]
        taken = [text for text in ("", "x", "x" * 31, "x" * 32, "x" * 99) if re.fullmatch(pattern, text)]
        assert taken == ["", "x" * 32, "x" * 99]
