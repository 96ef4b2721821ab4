"""Rate limits at the edge: the counts of each request, and the headers that report them.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10 (September 2025): RateLimit-Policy names each
limit with its quota `q` in a window of `w` seconds, RateLimit what remains of it, `r`, and in how many seconds `t`
there is more. A refusal lists the limits that refused.
"""

from collections.abc import Sequence
from math import ceil
from time import time

from chalicelib import wiring
from chalicelib.api.http.routes import Caller
from chalicelib.model.accounts import limits
from chalicelib.model.accounts.limits import MICROSECONDS, Admission, Cost, Limit, Standing
from chalicelib.ops.accounts import admit as ops


def admit_address(address: str, cost: Cost) -> Admission | None:
    """Count a request of the address, before anything else is done. Raise RateLimited."""
    return _admit(limits.address_key(address), limits.address_limits(wiring.settings().rates, cost), cost)


def admit_caller(caller: Caller, cost: Cost) -> Admission | None:
    """Count a request of the caller. Raise RateLimited."""
    return _admit(
        f"user:{caller.user_id}", limits.caller_limits(wiring.settings().rates, caller.plan, cost), cost
    )


def admit_login(email: str, address: str) -> None:
    """Count a login; call this before a password is checked. Raise RateLimited."""
    ops.admit_login(
        email,
        address,
        limits.account_limits(wiring.settings().rates),
        db=wiring.database(),
        sessions=wiring.sessions(),
        store=wiring.rate_limits(),
        now_s=int(time()),
    )


def admit_mail(email: str, purpose: str) -> None:
    """Count a mail; call this before a requested mail is sent. Raise RateLimited."""
    ops.admit_mail(
        email,
        purpose,
        limits.mail_limits(wiring.settings().rates),
        store=wiring.rate_limits(),
    )


def headers_of(admissions: Sequence[Admission]) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit, no headers when nothing was counted."""
    standings = [standing for admission in admissions for standing in admission.standings]
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(map(_policy, standings)),
        "RateLimit": ", ".join(map(_standing, standings)),
    }


def _policy(standing: Standing) -> str:
    limit = standing.limit
    return f'"{limit.name}";q={limit.quota};w={limit.window_s}'


def _standing(standing: Standing) -> str:
    return f'"{standing.limit.name}";r={standing.remaining};t={ceil(standing.more_us / MICROSECONDS)}'


def _admit(key: str, held_to: Sequence[Limit], cost: Cost) -> Admission | None:
    return ops.admit(key, held_to, cost=cost, store=wiring.rate_limits())
