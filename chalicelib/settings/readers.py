"""Readers of single variables: each returns a checked value, or raises InvalidSetting with the variable's name."""

import json
from collections.abc import Mapping

from chalicelib.errors import InvalidSetting

MIN_SECRET_BYTES = 32  # RFC 7518 3.2: as many as HS256's hash has


def required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise InvalidSetting(f"{name}: must be set")
    return env[name]


def secret(env: Mapping[str, str], name: str, *, required: bool) -> str | None:
    value = env.get(name) or None
    if (value is None and required) or (value is not None and len(value.encode()) < MIN_SECRET_BYTES):
        raise InvalidSetting(f"{name}: must be set, to at least {MIN_SECRET_BYTES} random bytes")
    return value


def choice(env: Mapping[str, str], name: str, choices: tuple[str, ...], *, default: str) -> str:
    value = env.get(name) or default
    if value not in choices:
        raise InvalidSetting(f"{name}: must be one of {', '.join(choices)}")
    return value


def integer(env: Mapping[str, str], name: str, *, default: int, at_least: int, at_most: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not at_least <= int(text) <= at_most:
        raise InvalidSetting(f"{name}: must be a whole number from {at_least} to {at_most}")
    return int(text)


def string_list(env: Mapping[str, str], name: str, example: str) -> tuple[str, ...]:
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
