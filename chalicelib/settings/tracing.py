"""Settings of traces: the collectors they are sent to."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Struct

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern
from chalicelib.settings.addresses import URL
from chalicelib.settings.readers import choice

VARIABLES = (
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"),
    *("LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT", "LANGSMITH_PROJECT", "LANGSMITH_TRACING", "TRACE_CONTENT"),
)
LANGSMITH_URL = "https://api.smith.langchain.com"
_HEADER = pattern(r"\s*([A-Za-z0-9-]{1,100})=([\x20-\x7e]{1,2000})\Z")


class TracingSettings(Struct, frozen=True, kw_only=True):
    """`otlp_url` and `langsmith_url` are the addresses that spans are posted to, None where they are not sent.

    `with_content`: prompts and answers go there too.
    """

    otlp_url: str | None
    otlp_headers: Mapping[str, str]
    langsmith_url: str | None
    langsmith_headers: Mapping[str, str]
    with_content: bool


def tracing_settings(env: Mapping[str, str], *, local: bool) -> TracingSettings:
    """Raise InvalidSetting. On a laptop LangSmith's key alone sends nothing away."""
    is_wanted = choice(env, "LANGSMITH_TRACING", ("true", "false"), default="false" if local else "true")
    key, otlp_url = env.get("LANGSMITH_API_KEY") or "", _url(env, "OTEL_EXPORTER_OTLP_ENDPOINT")
    langsmith_url = _url(env, "LANGSMITH_ENDPOINT") or LANGSMITH_URL
    headers = {"x-api-key": key}
    if project := env.get("LANGSMITH_PROJECT"):
        headers["Langsmith-Project"] = project
    if not all(re.fullmatch(r"[\x20-\x7e]*", value) for value in headers.values()):
        raise InvalidSetting("LANGSMITH_API_KEY: has characters that no header can have; so may the project")
    return TracingSettings(
        otlp_url=otlp_url and f"{otlp_url}/v1/traces",
        otlp_headers=_headers(env, "OTEL_EXPORTER_OTLP_HEADERS"),
        langsmith_url=f"{langsmith_url}/otel/v1/traces" if key and is_wanted == "true" else None,
        langsmith_headers=headers,
        with_content=choice(env, "TRACE_CONTENT", ("true", "false"), default="false") == "true",
    )


def _url(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name) or None
    if value is not None and not URL.match(value):
        raise InvalidSetting(f"{name}: must be http(s)://host[:port][/path]")
    return value and value.rstrip("/")


def _headers(env: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the headers of "name=value,name=value", values percent-encoded, as OpenTelemetry has it."""
    found = {}
    for part in filter(None, (env.get(name) or "").split(",")):
        match = _HEADER.match(unquote(part))
        if match is None:
            raise InvalidSetting(f"{name}: must be such as x-api-key=abc,x-team=search")
        found[match[1]] = match[2].strip()
    return found
