"""BUDGETS: how many US dollars a month the models may cost, of a user by plan and of the whole stage."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal

from chalicelib.errors import InvalidSetting

BUDGETS: Mapping[str, str | None] = {"user.free": "5", "user.team": "50", "stage": "200"}
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")


def budgets(env: Mapping[str, str], name: str, *, local: bool) -> dict[str, Decimal | None]:
    """Return the dollars a month by whose; None: no limit. The variable is a JSON object that changes some of them.

    On a laptop nobody has a limit unless the variable sets one.
    """
    wrong = InvalidSetting(
        f'{name}: must be such as {{"user.free": "2.50", "stage": null}}, in US dollars a month'
    )
    try:
        given = json.loads(env.get(name) or "{}")
    except ValueError as error:
        raise wrong from error
    if not isinstance(given, dict) or not given.keys() <= BUDGETS.keys():
        raise wrong
    amounts = {**(dict.fromkeys(BUDGETS) if local else BUDGETS), **given}
    if not all(amount is None or _AMOUNT.match(str(amount)) for amount in amounts.values()):
        raise wrong
    return {whose: None if amount is None else Decimal(str(amount)) for whose, amount in amounts.items()}
