"""Rules for asking an upstream: a budget for second attempts, and breakers that let a dead one rest.

Plain state machines; `now` is seconds of any steady clock. Not safe between threads by themselves.
"""

from collections import Counter, OrderedDict, deque

from msgspec import Struct

RETRY_EVERY = 10  # requests that pay for one retry: at most 1.1 requests go out for one that came in
MAX_SAVED = 10  # retries that a quiet time may save up
WINDOW_S = 30.0
MIN_FAILURES = 5
COUNTED_OF_ONE = (
    2  # failures of one caller that count for all callers, so that MIN_FAILURES take three of them
)
PROBERS = 3  # callers whose probes must fail before all are rested again
COOLDOWN_S = 10.0
PROBE_MAX_S = 30.0  # whoever probes longer is dead: the function itself ends before that
MAX_OUTCOMES = 100
MAX_CALLERS = 500


class RetryBudget:
    """Counted in tenths of a retry, and empty at first: the bound holds from the first request on."""

    def __init__(self) -> None:
        self._saved = 0

    def deposit(self) -> None:
        """Note a request that came in."""
        self._saved = min(self._saved + 1, MAX_SAVED * RETRY_EVERY)

    def withdraw(self) -> bool:
        """Spend one retry; return False when none is saved."""
        if self._saved < RETRY_EVERY:
            return False
        self._saved -= RETRY_EVERY
        return True


class Breaker:
    """Closed, open once MIN_FAILURES and half of the last outcomes failed, half-open with one probe at a time.

    `counted_of_one`: how many failures of one caller count. `probers`: how many callers' probes must fail
    before a half-open one is open again.
    """

    def __init__(self, *, counted_of_one: int = MAX_OUTCOMES, probers: int = 1) -> None:
        self._counted_of_one, self._probers = counted_of_one, probers
        self._outcomes: deque[tuple[float, str, bool]] = deque(maxlen=MAX_OUTCOMES)
        self._failed_probers: set[str] = set()
        self._opened_at: float | None = None
        self._probe_at: float | None = None
        self._ticket = 0

    def admit(self, now: float) -> int | None:
        """Return a ticket to record the outcome under; None: do not ask. Half-open, only one has a ticket at a time."""
        if self._opened_at is None:
            return self._ticket
        if self.wait_s(now) > 0:
            return None
        self._probe_at = now
        self._ticket += 1
        return self._ticket

    def wait_s(self, now: float) -> float:
        """Return how long until somebody may ask again; 0 when now."""
        if self._opened_at is None:
            return 0.0
        until = self._opened_at + COOLDOWN_S if self._probe_at is None else self._probe_at + PROBE_MAX_S
        return max(0.0, until - now)

    def record(self, ticket: int, now: float, *, failed: bool, caller: str = "") -> bool:
        """Take an outcome into account, unless it is of a time before the breaker opened, or of a probe given up.

        Return whether it was a probe that failed.
        """
        if ticket != self._ticket:
            return False
        if self._opened_at is not None:
            self._record_probe(now, failed=failed, caller=caller)
            return failed
        self._outcomes.append((now, caller, failed))
        if failed:
            recent = [(who, bad) for at, who, bad in self._outcomes if now - at <= WINDOW_S]
            by_caller = Counter(who for who, bad in recent if bad)
            failures = sum(min(count, self._counted_of_one) for count in by_caller.values())
            if failures >= MIN_FAILURES and failures >= sum(not bad for _, bad in recent):
                self.open(now)
        return False

    def open(self, now: float) -> None:
        self._opened_at, self._probe_at = now, None
        self._ticket += 1
        self._failed_probers.clear()

    def _record_probe(self, now: float, *, failed: bool, caller: str) -> None:
        self._outcomes.clear()
        self._probe_at = None
        if not failed:
            self._opened_at = None
            self._failed_probers.clear()
            return
        self._failed_probers.add(caller)
        if len(self._failed_probers) >= self._probers:
            self.open(now)


class Tickets(Struct, frozen=True):
    """A ticket of the breaker for all callers, and one of the caller's own."""

    of_all: int
    own: int


class Breakers:
    """One breaker for all callers and one for each, so that nobody's failing requests rest the others.

    A caller whose probe for all has failed rests; the next probe is another caller's. The own breakers of the
    MAX_CALLERS that asked last are remembered.
    """

    def __init__(self) -> None:
        self._all = Breaker(counted_of_one=COUNTED_OF_ONE, probers=PROBERS)
        self._own: OrderedDict[str, Breaker] = OrderedDict()

    def admit(self, caller: str, now: float) -> Tickets | None:
        """Return tickets to record the outcome under; None: do not ask."""
        if self.wait_s(caller, now) > 0:
            return None
        of_all, own = self._all.admit(now), self._of(caller).admit(now)
        return None if of_all is None or own is None else Tickets(of_all, own)

    def wait_s(self, caller: str, now: float) -> float:
        """Return how long until this caller may ask again; 0 when now."""
        return max(self._all.wait_s(now), self._of(caller).wait_s(now))

    def record(self, caller: str, tickets: Tickets, now: float, *, failed: bool) -> None:
        own = self._of(caller)
        own.record(tickets.own, now, failed=failed)
        if self._all.record(tickets.of_all, now, failed=failed, caller=caller):
            own.open(now)

    def _of(self, caller: str) -> Breaker:
        found = self._own.setdefault(caller, Breaker())
        self._own.move_to_end(caller)
        if len(self._own) > MAX_CALLERS:
            self._own.popitem(last=False)
        return found
