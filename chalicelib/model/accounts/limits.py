"""Limits: rate limiting by GCRA in whole microseconds, and the limits that apply to a request.

GCRA is the generic cell rate algorithm of ITU-T I.371 and the ATM Forum, here in its virtual scheduling form.
Brandur Leach applied it to HTTP (https://brandur.org/rate-limiting). A limit keeps one number, the theoretical
arrival time (TAT): the time of the next request if all requests came at an even pace. A request at `now` is
admitted if

    TAT <= now + tolerance              tolerance = (quota - 1) intervals: the most that requests may be early

Then TAT becomes max(TAT, now) + interval. A refused request changes nothing. Each admitted request so moves TAT
forward by at least one interval, and TAT never passes now + quota intervals. In any time t at most
quota + t / interval requests are admitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Literal

from msgspec import Struct

MICROSECONDS = 1_000_000
DEFAULT_PLAN = "free"

# A route's cost. "none": not limited, for health checks and static files. "costly": counts against the caller's
# smaller limit as well. "login": counts against a limit of the address; the route itself counts against the
# account's limit.
Cost = Literal["none", "plain", "costly", "login"]
# While DynamoDB is unavailable requests cannot be counted. Reads and writes are then admitted; requests that cost
# money, and sign-ins, are not.
LET_THROUGH_UNCOUNTED: Mapping[Cost, bool] = {"plain": True, "costly": False, "login": False}

Rate = tuple[int, int]  # quota, window_s
# The burst rate and the sustained rate by name: address, login, account, mail, user.<plan>, costly.<plan>.
Rates = Mapping[str, tuple[Rate, Rate]]
Tats = Mapping[str, int]  # counter of the limit -> microseconds since 1970; a limit never used is absent


class Limit(Struct, frozen=True, kw_only=True):
    """A rate limit: `quota` requests at once, and one more every `window_s` / `quota` seconds."""

    name: str
    quota: int
    window_s: int

    @property
    def counter(self) -> str:
        """Return the name under which the limit's TAT is stored.

        It has the window, so that a limit with a changed window starts anew. The old TAT may lie a whole old window
        ahead, and would make the limit refuse for that long.
        """
        return f"{self.name}-{self.window_s}s"

    @property
    def interval_us(self) -> int:
        """Return the microseconds between two requests, rounded up so that the limit never admits too many."""
        return -(-self.window_s * MICROSECONDS // self.quota)

    @property
    def tolerance_us(self) -> int:
        return self.interval_us * (self.quota - 1)

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """Return the microseconds until a request is admitted, 0 if it is admitted now."""
        return max(0, tat_us - self.tolerance_us - now_us)

    def next_tat_us(self, tat_us: int, now_us: int) -> int:
        return max(tat_us, now_us) + self.interval_us

    def remaining(self, tat_us: int, now_us: int) -> int:
        """Return the number of requests that would be admitted now."""
        return max(0, self.quota + (now_us - max(tat_us, now_us)) // self.interval_us)

    def more_us(self, tat_us: int, now_us: int) -> int:
        """Return the microseconds until one more request remains than now, 0 if none is used."""
        used = self.quota - self.remaining(tat_us, now_us)
        return tat_us - now_us - (used - 1) * self.interval_us if used else 0


class LimitState(Struct, frozen=True, kw_only=True):
    """A limit's state after a request: the requests that remain, and the microseconds until there is one more."""

    limit: Limit
    remaining: int
    more_us: int


class Admission(Struct, frozen=True, kw_only=True):
    """The decision about a request.

    `states` are those of all limits, or of the refusing limits if the request is refused. `retry_after_us` is 0 if
    the request is admitted; else, at unchanged TATs, the request is admitted after exactly this time.
    """

    admitted: bool
    states: tuple[LimitState, ...]
    retry_after_us: int


def find_refusal(limits: Sequence[Limit], tats: Tats, now_us: int) -> Admission | None:
    """Return the refusal if one of the limits refuses at these TATs, else None."""
    refusing = [limit for limit in limits if limit.wait_us(tats.get(limit.counter, 0), now_us)]
    if not refusing:
        return None
    retry_after_us = max(limit.wait_us(tats[limit.counter], now_us) for limit in refusing)
    return Admission(admitted=False, states=_states(refusing, tats, now_us), retry_after_us=retry_after_us)


def admitted(limits: Sequence[Limit], tats: Tats, now_us: int) -> Admission:
    """Return the admission of a request, after which the limits have these TATs."""
    return Admission(admitted=True, states=_states(limits, tats, now_us), retry_after_us=0)


def _states(limits: Sequence[Limit], tats: Tats, now_us: int) -> tuple[LimitState, ...]:
    return tuple(
        LimitState(
            limit=limit,
            remaining=limit.remaining(tats[limit.counter], now_us),
            more_us=limit.more_us(tats[limit.counter], now_us),
        )
        for limit in limits
    )


def address_limits(rates: Rates, cost: Cost) -> tuple[Limit, ...]:
    """Return the limits of an address, for requests without a good credential."""
    return tuple(_limits(rates, "address", *(["login"] if cost == "login" else [])))


def caller_limits(rates: Rates, plan: str, cost: Cost) -> tuple[Limit, ...]:
    """Return the limits of a user. A plan without limits of its own has those of DEFAULT_PLAN."""
    known = plan if f"user.{plan}" in rates else DEFAULT_PLAN
    return tuple(_limits(rates, f"user.{known}", *([f"costly.{known}"] if cost == "costly" else [])))


def account_limits(rates: Rates) -> tuple[Limit, ...]:
    """Return the limits on guessing one account's password, counted over all addresses together."""
    return tuple(_limits(rates, "account"))


def mail_limits(rates: Rates) -> tuple[Limit, ...]:
    """Return the limits on mails of one kind to one address, counted over all callers together."""
    return tuple(_limits(rates, "mail"))


def address_key(address: str) -> str:
    """Return the key that an address is counted under.

    An IPv6 address counts by its /64, as a provider gives a whole /64 to one customer. All texts that are not an
    address share one key.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return f"address:{IPv6Address(int(parsed) >> 64 << 64)}/64"
        parsed = parsed.ipv4_mapped
    return f"address:{parsed}"


def _limits(rates: Rates, *names: str) -> Iterator[Limit]:
    for name in names:
        for kind, (quota, window_s) in zip(("burst", "sustained"), rates[name], strict=True):
            yield Limit(name=f"{name.partition('.')[0]}-{kind}", quota=quota, window_s=window_s)
