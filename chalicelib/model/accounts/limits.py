"""Rate limits: GCRA in whole microseconds, and the limits that apply to each request.

GCRA, the generic cell rate algorithm of ITU-T I.371 and the ATM Forum, in its virtual scheduling form; Brandur
Leach carried it over to HTTP (https://brandur.org/rate-limiting). A limit keeps one number, the theoretical
arrival time (TAT): when the next request would come, did they all come evenly. A request is admitted at `now` if

    TAT <= now + tolerance              tolerance = (quota - 1) intervals: so far ahead of the even pace one may be

and then TAT becomes max(TAT, now) + interval; a refused one changes nothing. Each request so moves TAT forward by
an interval at least, and TAT never passes now + quota intervals: in any time t there are at most
quota + t / interval.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Literal

from msgspec import Struct

MICROSECONDS = 1_000_000
DEFAULT_PLAN = "free"

# What a route costs. "none": not limited, for health checks and what is static. "costly": counts against the
# caller's smaller limit as well. "login": against one of the address, and the route itself counts against the
# account's.
Cost = Literal["none", "plain", "costly", "login"]
# While DynamoDB is away nobody can be counted: reads and writes go on; what costs money, and the guessing of
# passwords, wait.
LET_THROUGH_UNCOUNTED: Mapping[Cost, bool] = {"plain": True, "costly": False, "login": False}

Rate = tuple[int, int]  # quota, window_s
# Burst and sustained, of: address, login, account, mail, user.<plan>, costly.<plan>.
Rates = Mapping[str, tuple[Rate, Rate]]
Tats = Mapping[str, int]  # by the limit's counter, microseconds since 1970; absent: never used


class Limit(Struct, frozen=True, kw_only=True):
    """`quota` requests at once, and one more every `window_s` / `quota`."""

    name: str
    quota: int
    window_s: int

    @property
    def counter(self) -> str:
        """Return the name its TAT is stored under. A changed window starts a new count: the old TAT may lie a whole old
        window ahead."""
        return f"{self.name}-{self.window_s}s"

    @property
    def interval_us(self) -> int:
        """Return the time per request, rounded up, so that the rate is never above the declared one."""
        return -(-self.window_s * MICROSECONDS // self.quota)

    @property
    def tolerance_us(self) -> int:
        return self.interval_us * (self.quota - 1)

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """Return the time until a request is admitted, 0 when it is now."""
        return max(0, tat_us - self.tolerance_us - now_us)

    def next_tat_us(self, tat_us: int, now_us: int) -> int:
        return max(tat_us, now_us) + self.interval_us

    def remaining(self, tat_us: int, now_us: int) -> int:
        """Return the number of requests that would be admitted now."""
        return max(0, self.quota + (now_us - max(tat_us, now_us)) // self.interval_us)

    def more_us(self, tat_us: int, now_us: int) -> int:
        """Return the time until one more request remains, 0 when nothing is used."""
        used = self.quota - self.remaining(tat_us, now_us)
        return tat_us - now_us - (used - 1) * self.interval_us if used else 0


class Standing(Struct, frozen=True, kw_only=True):
    """One limit's state after the request. `more_us` is the time until one more than `remaining` is there."""

    limit: Limit
    remaining: int
    more_us: int


class Admission(Struct, frozen=True, kw_only=True):
    """`standings` of all limits, or of those that refused. `retry_after_us`, 0 if it is admitted: at these TATs the
    request is admitted then and not a microsecond earlier."""

    admitted: bool
    standings: tuple[Standing, ...]
    retry_after_us: int


def judge(limits: Sequence[Limit], tats: Tats, now_us: int) -> Admission | None:
    """Return the refusal if one of the limits refuses at these TATs, else None."""
    refusing = [limit for limit in limits if limit.wait_us(tats.get(limit.counter, 0), now_us)]
    if not refusing:
        return None
    retry_after_us = max(limit.wait_us(tats[limit.counter], now_us) for limit in refusing)
    return Admission(
        admitted=False, standings=_standings(refusing, tats, now_us), retry_after_us=retry_after_us
    )


def admitted(limits: Sequence[Limit], tats: Tats, now_us: int) -> Admission:
    """Return the admission of a request; `tats` are those after it."""
    return Admission(admitted=True, standings=_standings(limits, tats, now_us), retry_after_us=0)


def _standings(limits: Sequence[Limit], tats: Tats, now_us: int) -> tuple[Standing, ...]:
    return tuple(
        Standing(
            limit=limit,
            remaining=limit.remaining(tats[limit.counter], now_us),
            more_us=limit.more_us(tats[limit.counter], now_us),
        )
        for limit in limits
    )


def address_limits(rates: Rates, cost: Cost) -> tuple[Limit, ...]:
    """Return the limits of an address, counted before the caller is known."""
    return tuple(_limits(rates, "address", *(["login"] if cost == "login" else [])))


def caller_limits(rates: Rates, plan: str, cost: Cost) -> tuple[Limit, ...]:
    """Return a user's limits; a plan without limits of its own has those of DEFAULT_PLAN."""
    known = plan if f"user.{plan}" in rates else DEFAULT_PLAN
    return tuple(_limits(rates, f"user.{known}", *([f"costly.{known}"] if cost == "costly" else [])))


def account_limits(rates: Rates) -> tuple[Limit, ...]:
    """Return the limits on logins to one account, from all addresses together."""
    return tuple(_limits(rates, "account"))


def mail_limits(rates: Rates) -> tuple[Limit, ...]:
    """Return the limits on mails of one kind to one address, whoever asks for them."""
    return tuple(_limits(rates, "mail"))


def address_key(address: str) -> str:
    """Return the key of an address. An IPv6 /64 shares one, as one customer has it; all invalid addresses share one."""
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
