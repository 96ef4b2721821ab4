"""RATE_LIMITS: how often one may ask, as "requests/window burst, requests/window sustained".

The rules are told in model/accounts/limits.py.
"""

import json
from collections.abc import Mapping

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern

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
_RATE_LIMIT = pattern(r"([1-9]\d{0,5})/([1-9]\d{0,4})([smhd]) ([1-9]\d{0,5})/([1-9]\d{0,4})([smhd])\Z")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def rates(
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
