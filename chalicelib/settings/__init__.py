"""Every setting, by the name of its variable; one that is missing or wrong is refused by that name.

Where the values come from, wiring/configuration.py says: the environment, and Parameter Store for what is not there.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, get_args

from msgspec import Struct

from chalicelib.errors import InvalidSetting as InvalidSetting
from chalicelib.settings.addresses import (
    identity_secret,
    issuer,
    networks,
    origins,
    state_machine,
    upstream_urls,
)
from chalicelib.settings.budgets import budgets, storage_gb
from chalicelib.settings.mail import console_url, mail_folder, mail_from, verify_email
from chalicelib.settings.models import ModelSettings, choose_models
from chalicelib.settings.rates import rates
from chalicelib.settings.readers import choice, integer, required, secret
from chalicelib.settings.tracing import TracingSettings, tracing_settings

Environment = Literal["local", "dev", "staging", "production"]
VERSION = "0.1.0"
APP_MEMORY_MB = 192


class Settings(Struct, frozen=True, kw_only=True):
    """Named after their variables. None: not set, and what needs it says so when it is used."""

    environment: Environment
    log_level: str
    cors_origins: tuple[str, ...]
    anonymous_user: str | None
    database_url: str
    database_pool_size: int
    images_bucket: str
    backfill_state_machine: str | None
    aws_endpoint_url: str | None
    aws_region: str
    sessions_table: str
    rate_limits_table: str
    models: ModelSettings
    anthropic_api_key: str | None
    openai_api_key: str | None
    voyage_api_key: str | None
    rerank_api_key: str | None
    bedrock_url: str | None
    upload_max_bytes: int
    decoder_memory_bytes: int
    upload_url_ttl_s: int
    session_secret: str | None
    session_secret_previous: str | None
    token_issuer: str
    token_audience: str
    registration_open: bool
    verify_email: bool
    mail_from: str | None
    mail_folder: str | None
    console_url: str | None
    oidc_issuer: str | None
    oidc_audience: str | None
    rates: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]
    budgets: Mapping[str, Decimal | None]
    storage_gb: Mapping[str, Decimal | None]
    upstream_urls: Mapping[str, str]
    upstream_allow_private: tuple[str, ...]
    upstream_identity_secret: str | None
    tracing: TracingSettings

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Raise InvalidSetting for the first variable that is missing or wrong."""
        environment = choice(env, "ENVIRONMENT", get_args(Environment), default="dev")
        anonymous_user = env.get("ANONYMOUS_USER") or None
        if anonymous_user and environment in ("staging", "production"):
            raise InvalidSetting(f"ANONYMOUS_USER: {environment} does not run with an anonymous user")
        oidc_issuer = issuer(env, "OIDC_ISSUER", local=environment == "local")
        region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        return cls(
            environment=environment,  # type: ignore[arg-type]
            log_level=choice(
                env,
                "LOG_LEVEL",
                ("DEBUG", "INFO", "WARNING", "ERROR"),
                default="DEBUG" if environment == "dev" else "INFO",
            ),
            cors_origins=origins(env, "CORS_ORIGINS"),
            anonymous_user=anonymous_user,
            database_url=required(env, "DATABASE_URL"),
            database_pool_size=integer(env, "DATABASE_POOL_SIZE", default=2, at_least=1, at_most=10),
            images_bucket=required(env, "IMAGES_BUCKET"),
            backfill_state_machine=state_machine(env, "BACKFILL_STATE_MACHINE"),
            aws_endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
            aws_region=region,
            sessions_table=env.get("SESSIONS_TABLE", f"collections-sessions-{environment}"),
            rate_limits_table=env.get("RATE_LIMITS_TABLE", f"collections-rate-limits-{environment}"),
            models=choose_models(env, local=environment == "local", region=region),
            anthropic_api_key=env.get("ANTHROPIC_API_KEY") or None,
            openai_api_key=env.get("OPENAI_API_KEY") or None,
            voyage_api_key=env.get("VOYAGE_API_KEY") or None,
            rerank_api_key=env.get("RERANK_API_KEY") or None,
            bedrock_url=env.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or None,  # botocore's name for it
            upload_max_bytes=integer(
                env, "UPLOAD_MAX_BYTES", default=200 * 1024 * 1024, at_least=1, at_most=5 * 1024**3
            ),
            decoder_memory_bytes=_decoder_memory_bytes(env),
            upload_url_ttl_s=integer(env, "UPLOAD_URL_TTL_S", default=900, at_least=60, at_most=900),
            session_secret=secret(env, "SESSION_SECRET", required=anonymous_user is None),
            session_secret_previous=secret(env, "SESSION_SECRET_PREVIOUS", required=False),
            token_issuer=env.get("TOKEN_ISSUER") or f"collections-{environment}",
            token_audience=env.get("TOKEN_AUDIENCE") or f"collections-{environment}",
            registration_open=choice(env, "REGISTRATION_OPEN", ("true", "false"), default="false") == "true",
            verify_email=verify_email(env, local=environment == "local"),
            mail_from=mail_from(env),
            mail_folder=mail_folder(env, local=environment == "local"),
            console_url=console_url(env, local=environment == "local"),
            oidc_issuer=oidc_issuer,
            oidc_audience=required(env, "OIDC_AUDIENCE") if oidc_issuer else None,
            rates=rates(env, "RATE_LIMITS", local=environment == "local"),
            budgets=budgets(env, "BUDGETS", local=environment == "local"),
            storage_gb=storage_gb(env, "STORAGE_GB", local=environment == "local"),
            upstream_urls=upstream_urls(env),
            upstream_allow_private=networks(env, "UPSTREAM_ALLOW_PRIVATE"),
            upstream_identity_secret=identity_secret(env),
            tracing=tracing_settings(env, local=environment == "local"),
        )


def _decoder_memory_bytes(env: Mapping[str, str]) -> int:
    """Return the function's memory less the app's share, at most 1 GB. Beyond it Lambda would end both processes."""
    name, most = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1024
    size_mb = integer(env, name, default=APP_MEMORY_MB + most, at_least=128, at_most=10_240)
    return min(most, max(64, size_mb - APP_MEMORY_MB)) * 1024**2
