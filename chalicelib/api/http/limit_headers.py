"""Headers that tell a caller of the rate limits: draft-ietf-httpapi-ratelimit-headers-10 (September 2025).

RateLimit-Policy names each limit with its quota `q` in a window of `w` seconds. RateLimit says what remains of it, `r`,
and in how many seconds, `t`, there is more. A refusal lists the limits that refused.
"""

from collections.abc import Sequence
from math import ceil

from chalicelib.model.accounts.limits import MICROSECONDS, Admission, Standing


def headers_of(admissions: Sequence[Admission]) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit, or no header when nothing was counted."""
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
