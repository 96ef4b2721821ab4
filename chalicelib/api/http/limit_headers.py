"""Makes the headers of the rate limits: draft-ietf-httpapi-ratelimit-headers-10 (September 2025).

RateLimit-Policy has each limit's quota `q` in a window of `w` seconds. RateLimit has the remaining requests `r` and the
seconds `t` until there is one more. A refusal lists only the limits that refused.
"""

from collections.abc import Sequence
from math import ceil

from chalicelib.model.accounts.limits import MICROSECONDS, Admission, LimitState


def headers_of(admissions: Sequence[Admission]) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit, or no header when nothing was counted."""
    states = [state for admission in admissions for state in admission.states]
    if not states:
        return {}
    return {
        "RateLimit-Policy": ", ".join(map(_policy, states)),
        "RateLimit": ", ".join(map(_rate_limit, states)),
    }


def _policy(state: LimitState) -> str:
    limit = state.limit
    return f'"{limit.name}";q={limit.quota};w={limit.window_s}'


def _rate_limit(state: LimitState) -> str:
    return f'"{state.limit.name}";r={state.remaining};t={ceil(state.more_us / MICROSECONDS)}'
