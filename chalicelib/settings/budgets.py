"""BUDGETS: how many US dollars a month the models may cost; STORAGE_GB: how much may be stored.

Of a user by plan, and of all users together ("stage").
"""

import json
from collections.abc import Mapping
from decimal import Decimal

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern

Amounts = dict[str, Decimal | None]
BUDGETS = {"user.free": "5", "user.team": "50", "stage": "200"}
STORAGE_GB = {"user.free": "5", "user.team": "100"}
_AMOUNT = pattern(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")


def budgets(env: Mapping[str, str], name: str, *, local: bool) -> Amounts:
    """Return the US dollars a month by whose; None is no limit."""
    return _amounts(env, name, BUDGETS, local=local, example='{"user.free": 2.50, "stage": null}')


def storage_gb(env: Mapping[str, str], name: str, *, local: bool) -> Amounts:
    """Return the gigabytes (10^9 bytes) by whose; None is no limit."""
    return _amounts(env, name, STORAGE_GB, local=local, example='{"user.free": 0.5, "user.team": null}')


def _amounts(
    env: Mapping[str, str], name: str, usual: Mapping[str, str], *, local: bool, example: str
) -> Amounts:
    """Return the amounts of `usual`, of which the variable, a JSON object, changes some.

    On a laptop nobody has a limit unless the variable sets one.
    """
    wrong = InvalidSetting(f"{name}: must be such as {example}; null is no limit")
    try:
        given = json.loads(env.get(name) or "{}")
    except ValueError as error:
        raise wrong from error
    if not isinstance(given, dict) or not given.keys() <= usual.keys():
        raise wrong
    amounts = {**(dict.fromkeys(usual) if local else usual), **given}
    if not all(amount is None or _AMOUNT.match(str(amount)) for amount in amounts.values()):
        raise wrong
    return {whose: None if amount is None else Decimal(str(amount)) for whose, amount in amounts.items()}
