"""Whether somebody may ask once more: counted, or let through while nobody can be counted."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from chalicelib.errors import RateLimited, Unavailable
from chalicelib.model.limits import LET_THROUGH_UNCOUNTED, MICROSECONDS, Admission, Cost, Limit

if TYPE_CHECKING:
    from chalicelib.stores.rate_limits import RateLimits


def admit(
    key: str, limits: Sequence[Limit], *, cost: Cost, store: "RateLimits", now_us: int
) -> Admission | None:
    """Count one request of the key. None: DynamoDB is away, and at this cost that does not matter.

    Raises RateLimited, and Unavailable where nobody is let through uncounted.
    """
    try:
        admission = store.take(key, limits, now_us=now_us)
    except Unavailable:
        if LET_THROUGH_UNCOUNTED[cost]:
            return None
        raise
    if admission.admitted:
        return admission
    retry_after_s = admission.retry_after_us / MICROSECONDS
    raise RateLimited(
        f"Too many requests; try again in {ceil(retry_after_s)} s.",
        retry_after_s=retry_after_s,
        admission=admission,
    )
