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
        "ChatModel": "m",
        "AnthropicApiKey": "key of the tests",
        "EmbeddingsUrl": "https://e.example/v1",
    }
    asking = {"api_handler", "RunnerLambda"}
    embedding = asking | {"EmbedderLambda"}
    for function in FUNCTIONS:
        settings = Settings.from_env(variables(function, "production", **given))
        assert (
            (settings.chat_model == "m") == (settings.anthropic_api_key is not None) == (function in asking)
        )
        assert (settings.embeddings_url is not None) == (function in embedding)
        assert settings.openai_api_key is None


def test_secrets_are_not_shown_and_none_is_too_short() -> None:
    parameters = overlay.template("production")["Parameters"]
    shown = {name for name, each in parameters.items() if not each.get("NoEcho")}
    addresses = {"EmbeddingsUrl", "AnalyzerUrl", "ChatUrl", "ChatModel", "RerankUrl", "RerankModel"}
    assert shown == UPSTREAMS.keys() | addresses
    assert parameters["SessionSecret"]["MinLength"] == 32 and "Default" not in parameters["SessionSecret"]
    for name in ("UpstreamIdentitySecret", "SessionSecretPrevious"):
        pattern = parameters[name]["AllowedPattern"]
        taken = [text for text in ("", "x", "x" * 31, "x" * 32, "x" * 99) if re.fullmatch(pattern, text)]
        assert taken == ["", "x" * 32, "x" * 99]
