"""Every setting, read once from the environment, refused at start with the variable's name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Environment = Literal["local", "dev", "staging", "production"]
VERSION = "0.1.0"


class InvalidSetting(Exception):
    """A variable is missing or wrong; the message starts with its name and never holds its value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Named after their variables. None: not set, and what needs it says so when it is used."""

    environment: Environment
    log_level: str
    cors_origins: tuple[str, ...]
    anonymous_user: str | None
    database_url: str
    database_pool_size: int
    images_bucket: str
    aws_endpoint_url: str | None
    aws_region: str
    sessions_table: str
    rate_limits_table: str
    embeddings_url: str | None
    embedding_model: str
    embedding_dimensions: int
    embedding_api_key: str | None
    analyzer_url: str | None
    upload_max_bytes: int
    upload_url_ttl_s: int

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Raises InvalidSetting for the first variable that is missing or wrong."""
        environment = _choice(env, "ENVIRONMENT", get_args(Environment), default="dev")
        anonymous_user = env.get("ANONYMOUS_USER") or None
        if anonymous_user and environment == "production":
            raise InvalidSetting("ANONYMOUS_USER: production does not run with an anonymous user")
        return cls(
            environment=environment,  # type: ignore[arg-type]
            log_level=_choice(env, "LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
            cors_origins=_string_list(env, "CORS_ORIGINS"),
            anonymous_user=anonymous_user,
            database_url=_required(env, "DATABASE_URL"),
            database_pool_size=_integer(env, "DATABASE_POOL_SIZE", default=2, at_least=1, at_most=10),
            images_bucket=_required(env, "IMAGES_BUCKET"),
            aws_endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
            aws_region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION", "us-east-1"),
            sessions_table=env.get("SESSIONS_TABLE", f"collections-sessions-{environment}"),
            rate_limits_table=env.get("RATE_LIMITS_TABLE", f"collections-rate-limits-{environment}"),
            embeddings_url=env.get("EMBEDDINGS_URL") or None,
            embedding_model=env.get("EMBEDDING_MODEL", "text-embedding-3-small"),
            embedding_dimensions=_integer(
                env, "EMBEDDING_DIMENSIONS", default=1536, at_least=1, at_most=4000
            ),
            embedding_api_key=env.get("OPENAI_API_KEY") or None,
            analyzer_url=env.get("ANALYZER_URL") or None,
            upload_max_bytes=_integer(
                env, "UPLOAD_MAX_BYTES", default=200 * 1024 * 1024, at_least=1, at_most=5 * 1024**3
            ),
            upload_url_ttl_s=_integer(env, "UPLOAD_URL_TTL_S", default=900, at_least=60, at_most=900),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise InvalidSetting(f"{name}: must be set")
    return env[name]


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...], *, default: str) -> str:
    value = env.get(name) or default
    if value not in choices:
        raise InvalidSetting(f"{name}: must be one of {', '.join(choices)}")
    return value


def _integer(env: Mapping[str, str], name: str, *, default: int, at_least: int, at_most: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not at_least <= int(text) <= at_most:
        raise InvalidSetting(f"{name}: must be a whole number from {at_least} to {at_most}")
    return int(text)


def _string_list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        values = json.loads(env.get(name) or "[]")
    except ValueError as error:
        raise InvalidSetting(f'{name}: must be a JSON list of strings, for example ["*"]') from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidSetting(f'{name}: must be a JSON list of strings, for example ["*"]')
    return tuple(values)
