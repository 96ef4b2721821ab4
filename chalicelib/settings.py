"""Every setting, by the name of its variable; one that is missing or wrong is refused by that name.

Where the values come from, wiring.py says: the environment, and Parameter Store for what is not there.
"""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Literal, get_args

from msgspec import Struct

from chalicelib.errors import InvalidSetting as InvalidSetting
from chalicelib.model_settings import ModelSettings, choose_models

Environment = Literal["local", "dev", "staging", "production"]
VERSION = "0.1.0"
_UPSTREAM = re.compile(r"UPSTREAM_([A-Z][A-Z0-9_]*)_SERVICE_URL\Z")
_URL = re.compile(
    r"https?://(?:(?P<host>[A-Za-z0-9.-]{1,253})|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*/?\Z"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,?#@]+\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,189}\Z")
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
# How often one may ask: "requests/window burst, requests/window sustained". See model/accounts/limits.py.
RATE_LIMITS = {
    "address": "400/20s 20000/1h",  # an office or a school may be behind one
    "login": "10/1m 100/1h",  # of one address
    "account": "10/5m 100/1d",  # sign-ins to one account, from wherever
    "mail": "3/1h 10/1d",  # mails to one address, of each kind
    "user.free": "200/20s 5000/1h",
    "user.team": "600/20s 30000/1h",
    "costly.free": "120/2m 1500/1h",
    "costly.team": "600/5m 9000/1h",
}
_LOCAL_RATE_LIMIT = "100000/1s 100000/1s"  # the same code counts, and nobody meets it
_RATE_LIMIT = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,4})([smhd]) ([1-9]\d{0,5})/([1-9]\d{0,4})([smhd])\Z")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
APP_MEMORY_MB = 192
MIN_SECRET_BYTES = 32  # RFC 7518 3.2: as many as HS256's hash has


class Settings(Struct, frozen=True, kw_only=True):
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
    upstream_urls: Mapping[str, str]
    upstream_allow_private: tuple[str, ...]
    upstream_identity_secret: str | None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Raise InvalidSetting for the first variable that is missing or wrong."""
        environment = _choice(env, "ENVIRONMENT", get_args(Environment), default="dev")
        anonymous_user = env.get("ANONYMOUS_USER") or None
        if anonymous_user and environment in ("staging", "production"):
            raise InvalidSetting(f"ANONYMOUS_USER: {environment} does not run with an anonymous user")
        oidc_issuer = _issuer(env, "OIDC_ISSUER", local=environment == "local")
        region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        return cls(
            environment=environment,  # type: ignore[arg-type]
            log_level=_choice(
                env,
                "LOG_LEVEL",
                ("DEBUG", "INFO", "WARNING", "ERROR"),
                default="DEBUG" if environment == "dev" else "INFO",
            ),
            cors_origins=_origins(env, "CORS_ORIGINS"),
            anonymous_user=anonymous_user,
            database_url=_required(env, "DATABASE_URL"),
            database_pool_size=_integer(env, "DATABASE_POOL_SIZE", default=2, at_least=1, at_most=10),
            images_bucket=_required(env, "IMAGES_BUCKET"),
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
            upload_max_bytes=_integer(
                env, "UPLOAD_MAX_BYTES", default=200 * 1024 * 1024, at_least=1, at_most=5 * 1024**3
            ),
            decoder_memory_bytes=_decoder_memory_bytes(env),
            upload_url_ttl_s=_integer(env, "UPLOAD_URL_TTL_S", default=900, at_least=60, at_most=900),
            session_secret=_secret(env, "SESSION_SECRET", required=anonymous_user is None),
            session_secret_previous=_secret(env, "SESSION_SECRET_PREVIOUS", required=False),
            token_issuer=env.get("TOKEN_ISSUER") or f"collections-{environment}",
            token_audience=env.get("TOKEN_AUDIENCE") or f"collections-{environment}",
            registration_open=_choice(env, "REGISTRATION_OPEN", ("true", "false"), default="false") == "true",
            verify_email=_verify_email(env, local=environment == "local"),
            mail_from=_mail_from(env),
            mail_folder=_mail_folder(env, local=environment == "local"),
            console_url=_console_url(env, local=environment == "local"),
            oidc_issuer=oidc_issuer,
            oidc_audience=_required(env, "OIDC_AUDIENCE") if oidc_issuer else None,
            rates=_rates(env, "RATE_LIMITS", local=environment == "local"),
            upstream_urls=_upstream_urls(env),
            upstream_allow_private=_networks(env, "UPSTREAM_ALLOW_PRIVATE"),
            upstream_identity_secret=_identity_secret(env),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise InvalidSetting(f"{name}: must be set")
    return env[name]


def _secret(env: Mapping[str, str], name: str, *, required: bool) -> str | None:
    value = env.get(name) or None
    if (value is None and required) or (value is not None and len(value.encode()) < MIN_SECRET_BYTES):
        raise InvalidSetting(f"{name}: must be set, to at least {MIN_SECRET_BYTES} random bytes")
    return value


def _rates(
    env: Mapping[str, str], name: str, *, local: bool
) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """((quota, window in s) burst, sustained) by whose; the variable is a JSON object that changes some of them."""
    wrong = InvalidSetting(f'{name}: must be such as {{"user.free": "200/20s 5000/1h"}}, windows up to 1d')
    try:
        given = json.loads(env.get(name) or "{}")
    except ValueError as error:
        raise wrong from error
    if not isinstance(given, dict) or not given.keys() <= RATE_LIMITS.keys():
        raise wrong
    texts = dict.fromkeys(RATE_LIMITS, _LOCAL_RATE_LIMIT) if local else RATE_LIMITS
    found = {}
    for whose, text in {**texts, **given}.items():
        match = _RATE_LIMIT.match(str(text))
        if not match:
            raise wrong
        windows_s = int(match[2]) * _UNIT_S[match[3]], int(match[5]) * _UNIT_S[match[6]]
        if max(windows_s) > _UNIT_S["d"]:  # what the store's rows outlast
            raise wrong
        found[whose] = (int(match[1]), windows_s[0]), (int(match[4]), windows_s[1])
    return found


def _issuer(env: Mapping[str, str], name: str, *, local: bool) -> str | None:
    value = env.get(name) or None
    if value is not None and not value.startswith(("https://", *(["http://127.0.0.1:"] if local else []))):
        raise InvalidSetting(f"{name}: must be an https:// address")
    return value


def _verify_email(env: Mapping[str, str], *, local: bool) -> bool:
    """Return True when an address must be proved by mail before it gets an account: everywhere but on a laptop."""
    verify = _choice(env, "VERIFY_EMAIL", ("true", "false"), default="false" if local else "true") == "true"
    if not verify and not local:
        raise InvalidSetting(
            "VERIFY_EMAIL: only the stage local makes accounts without a proof of the address"
        )
    if verify and env.get("REGISTRATION_OPEN") == "true" and not _sends_mail(env):
        raise InvalidSetting(
            f"{'MAIL_FOLDER' if local else 'MAIL_FROM'}: must be set while registration is open,"
            " to prove addresses by mail"
        )
    return verify


def _sends_mail(env: Mapping[str, str]) -> bool:
    return bool(env.get("MAIL_FROM") or env.get("MAIL_FOLDER"))


def _mail_from(env: Mapping[str, str]) -> str | None:
    value = env.get("MAIL_FROM") or None
    if value is not None and not _ADDRESS.match(value):
        raise InvalidSetting(
            "MAIL_FROM: must be an address that SES may send from, such as no-reply@example.org"
        )
    return value


def _mail_folder(env: Mapping[str, str], *, local: bool) -> str | None:
    value = env.get("MAIL_FOLDER") or None
    if value is not None and not local:
        raise InvalidSetting("MAIL_FOLDER: is for the stage local; set MAIL_FROM")
    return value


def _console_url(env: Mapping[str, str], *, local: bool) -> str | None:
    """Return the console's URL for links.

    It never comes from a request, whose sender could then choose a mail's links.
    """
    value = env.get("CONSOLE_URL") or None
    if value is None and not _sends_mail(env):
        return None
    allowed = ("https://", *(["http://127.0.0.1:"] if local else []))
    if value is None or not value.startswith(allowed) or not _URL.match(value):
        raise InvalidSetting(
            "CONSOLE_URL: must be the https:// address of the console, for the links in mails"
        )
    return value.rstrip("/")


def _upstream_urls(env: Mapping[str, str]) -> dict[str, str]:
    """By the service's name in lower case: "user" for UPSTREAM_USER_SERVICE_URL."""
    found = {}
    for variable in sorted(env):
        name = _UPSTREAM.match(variable)
        if name and env[variable]:
            if not _is_upstream_url(env[variable]):
                raise InvalidSetting(
                    f"{variable}: must be http(s)://host[:port][/path], the host in its usual form"
                )
            found[name[1].lower()] = env[variable].rstrip("/")
    return found


def _is_upstream_url(url: str) -> bool:
    """Return the host: an address, or a name whose last label begins with a letter. Others may be read as addresses."""
    parts = _URL.match(url)
    if parts is None or int(parts["port"] or 1) > 65535:
        return False
    try:
        host = (parts["host"] or parts["six"]).lower()
        return bool(_NAME.match(host)) or str(ip_address(host)) == host
    except ValueError:
        return False


def _identity_secret(env: Mapping[str, str]) -> str | None:
    """Return the secret from which each upstream's HMAC key is derived: the gateway's own, or else the sessions'."""
    secret = _secret(env, "UPSTREAM_IDENTITY_SECRET", required=False) or env.get("SESSION_SECRET") or None
    if secret is None and _upstream_urls(env):
        raise InvalidSetting("UPSTREAM_IDENTITY_SECRET: must be set, to sign what the upstreams are told")
    return secret


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    networks = _string_list(env, name, '["10.0.0.0/16"]')
    try:
        return tuple(str(ip_network(network)) for network in networks)
    except ValueError as error:
        raise InvalidSetting(
            f'{name}: must be a JSON list of networks, for example ["10.0.0.0/16"]'
        ) from error


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


def _decoder_memory_bytes(env: Mapping[str, str]) -> int:
    """Return the function's memory less the app's share, at most 1 GB. Beyond it Lambda would end both processes."""
    name, most = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1024
    size_mb = _integer(env, name, default=APP_MEMORY_MB + most, at_least=128, at_most=10_240)
    return min(most, max(64, size_mb - APP_MEMORY_MB)) * 1024**2


def _string_list(env: Mapping[str, str], name: str, example: str) -> tuple[str, ...]:
    """Return a list that is written as JSON, or with commas."""
    text = (env.get(name) or "").strip()
    if not text.startswith("["):
        return tuple(filter(None, (part.strip() for part in text.split(","))))
    wrong = InvalidSetting(f"{name}: must be a JSON list of strings, or have commas between them: {example}")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise wrong from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise wrong
    return tuple(values)


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    origins = _string_list(env, name, '["https://www.example.org"]')
    if not all(origin == "*" or _ORIGIN.match(origin) for origin in origins):
        raise InvalidSetting(f"{name}: must be * or origins such as https://www.example.org, without a path")
    return origins
