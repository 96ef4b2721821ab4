"""Objects that only the operating function uses: the database's owner, the stage's secrets, links without mail."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.model.accounts.signed_links import Links
from chalicelib.settings import InvalidSetting
from chalicelib.wiring import signing
from chalicelib.wiring.configuration import parameters_at, stage, stored_parameters, variables
from chalicelib.wiring.once import once

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase


@once
def owner_url() -> str:
    """Return MIGRATION_DATABASE_URL, with which only the operating function logs in."""
    found = _operators_variables().get("MIGRATION_DATABASE_URL")
    if not found:
        raise InvalidSetting("MIGRATION_DATABASE_URL: must be set, to the URL of the database's owner")
    return found


@once
def operators_database() -> "OperatorsDatabase":
    from chalicelib.stores.postgres.postgres import OperatorsDatabase

    return OperatorsDatabase(owner_url(), max_size=1, timeout_s=30.0)


def operators_links() -> Links:
    """Return the signer of links, also for a stage that sends no mail."""
    url = variables().get("CONSOLE_URL")
    if not url:
        raise InvalidSetting("CONSOLE_URL: must be set, to the console's address, where links lead")
    return Links(secrets=signing().secrets, console_url=url.rstrip("/"))


def store_setting(name: str, secret: str) -> None:
    """Write a secret of the stage into Parameter Store, from which all functions read it."""
    stored = stored_parameters()
    if stored is None:
        raise InvalidSetting("SETTINGS_PATH: must be set, to the path of the stage's parameters")
    stored.write(name, secret)


@once
def _operators_variables() -> Mapping[str, str]:
    """Return the environment, and the operators' own parameters, which no other function may read."""
    if not os.environ.get("SETTINGS_PATH"):
        return os.environ
    return {**parameters_at(f"/collections-{stage()}-operate").values(), **os.environ}
