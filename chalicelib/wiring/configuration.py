"""The settings of this process: from the environment, and from Parameter Store for what is not set there."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib import logs
from chalicelib.settings import InvalidSetting, Settings
from chalicelib.wiring.clients import ssm
from chalicelib.wiring.once import forget_all, once

if TYPE_CHECKING:
    from chalicelib.stores.aws.parameters import Parameters


@once
def settings() -> Settings:
    """Return the settings; the first call also starts the logs. Raise InvalidSetting, which the log is to name."""
    try:
        found = Settings.from_env(variables())
    except InvalidSetting:
        logs.configure("INFO")
        doubt_settings()  # whoever mends it is not to wait for the end of the TTL
        raise
    logs.configure(found.log_level)
    return found


def stage() -> str:
    """Return the stage's name, also when its settings are wrong."""
    return os.environ.get("ENVIRONMENT", "dev")


def renew_settings() -> None:
    """Make everything anew if Parameter Store has other values than before. It is asked every few minutes at most."""
    stored = stored_parameters()
    if stored is not None and stored.has_changed():
        forget_all()


def doubt_settings() -> None:
    """Have Parameter Store read again soon: a provider refused our key, or a setting is wrong."""
    stored = stored_parameters()
    if stored is not None:
        stored.doubt()


def variables() -> Mapping[str, str]:
    """Return the environment, and what is not set there from Parameter Store."""
    stored = stored_parameters()
    given = {name: value for name, value in os.environ.items() if value}
    return given if stored is None else {**stored.values(), **given}


@once
def stored_parameters() -> "Parameters | None":
    """Return None if this process has no SETTINGS_PATH: its environment is all it knows."""
    path = os.environ.get("SETTINGS_PATH")
    return parameters_at(path) if path else None


def parameters_at(path: str) -> "Parameters":
    from time import monotonic

    from chalicelib.stores.aws.parameters import Parameters

    return Parameters(ssm, path=path, clock=monotonic)
