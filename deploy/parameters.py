"""Parameters of a stage's template: its database, its secrets, and the services that it calls.

Each parameter fills the environment variable of the same name: SessionSecret fills SESSION_SECRET. An empty
parameter counts as not set.
"""

from typing import Any

from chalicelib.model.gateway.gateway_routes import ROUTES, variable_of
from chalicelib.settings import MIN_SECRET_BYTES

SECRET = {"Type": "String", "NoEcho": True}
OPTIONAL_SECRET = {**SECRET, "Default": "", "AllowedPattern": f"^$|^.{{{MIN_SECRET_BYTES},}}$"}
# Settings.from_env requires these in every function.
EVERYWHERE = {
    "DATABASE_URL": {**SECRET, "MinLength": 1},
    "SESSION_SECRET": {**SECRET, "MinLength": MIN_SECRET_BYTES},
}
OPTIONAL = {"Type": "String", "Default": ""}
KEY = {**SECRET, "Default": ""}
OF_THE_API = {
    "SESSION_SECRET_PREVIOUS": OPTIONAL_SECRET,
    "UPSTREAM_IDENTITY_SECRET": OPTIONAL_SECRET,
    **{variable_of(route.upstream): OPTIONAL for route in ROUTES},
}
NUMBER = {**OPTIONAL, "AllowedPattern": "^[0-9]*$"}
TO_EMBED = {
    **{"EMBEDDING_PROVIDER": OPTIONAL, "EMBEDDING_MODEL": OPTIONAL, "EMBEDDINGS_URL": OPTIONAL},
    **{"EMBEDDING_DIMENSIONS": NUMBER, "VOYAGE_API_KEY": KEY, "OPENAI_API_KEY": KEY},
}
TO_ANSWER = {
    **TO_EMBED,
    **{"CHAT_PROVIDER": OPTIONAL, "CHAT_MODEL": OPTIONAL, "CHAT_URL": OPTIONAL, "ANTHROPIC_API_KEY": KEY},
    **{"RERANK_PROVIDER": OPTIONAL, "RERANK_MODEL": OPTIONAL, "RERANK_URL": OPTIONAL, "RERANK_API_KEY": KEY},
}
TO_ANALYZE = {
    **{"ANALYZER_PROVIDER": OPTIONAL, "ANALYZER_MODEL": OPTIONAL, "ANALYZER_URL": OPTIONAL},
    **{"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY},
}
OF_ONE: dict[str, dict[str, Any]] = {
    "api_handler": {**OF_THE_API, **TO_ANSWER, **TO_ANALYZE},  # it only tells clients who analyzes
    "RunnerLambda": TO_ANSWER,
    "EmbedderLambda": TO_EMBED,
    "AnalyzerLambda": TO_ANALYZE,
}


def name_of(variable: str) -> str:
    return "".join(part.capitalize() for part in variable.split("_"))


def parameters() -> dict[str, Any]:
    """Return the Parameters section of the template."""
    declared = EVERYWHERE.copy()
    for wanted in OF_ONE.values():
        declared |= wanted
    return {name_of(variable): each for variable, each in declared.items()}


def variables(function: str) -> dict[str, Any]:
    """Return the environment variables of a function that the parameters fill."""
    return {variable: {"Ref": name_of(variable)} for variable in {**EVERYWHERE, **OF_ONE.get(function, {})}}
