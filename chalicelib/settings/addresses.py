"""Addresses of others: where this app is seen from, and where the gateway leads."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern
from chalicelib.settings.readers import secret, string_list

_UPSTREAM = pattern(r"UPSTREAM_([A-Z][A-Z0-9_]*)_SERVICE_URL\Z")
URL = pattern(
    r"https?://(?:(?P<host>[A-Za-z0-9.-]{1,253})|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*/?\Z"
)
_ORIGIN = pattern(r"[a-z][a-z0-9+.-]*://[^/\s,?#@]+\Z")
_STATE_MACHINE = pattern(r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]{1,80}\Z")
_NAME = pattern(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = string_list(env, name, '["https://www.example.org"]')
    if not all(origin == "*" or _ORIGIN.match(origin) for origin in found):
        raise InvalidSetting(f"{name}: must be * or origins such as https://www.example.org, without a path")
    return found


def state_machine(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name) or None
    if value is not None and not _STATE_MACHINE.match(value):
        raise InvalidSetting(f"{name}: must be a state machine's ARN: the base stack writes it")
    return value


def issuer(env: Mapping[str, str], name: str, *, local: bool) -> str | None:
    value = env.get(name) or None
    if value is not None and not value.startswith(("https://", *(["http://127.0.0.1:"] if local else []))):
        raise InvalidSetting(f"{name}: must be an https:// address")
    return value


def upstream_urls(env: Mapping[str, str]) -> dict[str, str]:
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
    parts = URL.match(url)
    if parts is None or int(parts["port"] or 1) > 65535:
        return False
    try:
        host = (parts["host"] or parts["six"]).lower()
        return bool(_NAME.match(host)) or str(ip_address(host)) == host
    except ValueError:
        return False


def identity_secret(env: Mapping[str, str]) -> str | None:
    """Return the secret from which each upstream's HMAC key is derived: the gateway's own, or else the sessions'."""
    found = secret(env, "UPSTREAM_IDENTITY_SECRET", required=False) or env.get("SESSION_SECRET") or None
    if found is None and upstream_urls(env):
        raise InvalidSetting("UPSTREAM_IDENTITY_SECRET: must be set, to sign what the upstreams are told")
    return found


def networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = string_list(env, name, '["10.0.0.0/16"]')
    try:
        return tuple(str(ip_network(network)) for network in found)
    except ValueError as error:
        raise InvalidSetting(
            f'{name}: must be a JSON list of networks, for example ["10.0.0.0/16"]'
        ) from error
