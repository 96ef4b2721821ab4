"""When an upstream is asked: a budget for second attempts, and a breaker that lets a dead one rest.

Plain state machines; `now` is seconds of any steady clock. Not safe between threads by themselves.
"""

from collections import deque

RETRY_EVERY = 10  # requests that pay for one retry: at most 1.1 requests go out for one that came in
MAX_SAVED = 10  # retries that a quiet time may save up
WINDOW_S = 30.0
MIN_FAILURES = 5
COOLDOWN_S = 10.0
PROBE_MAX_S = 30.0  # whoever probes longer is dead: the function itself ends before that


class RetryBudget:
    """Counted in tenths of a retry, and empty at first: the bound holds from the first request on."""

    def __init__(self) -> None:
        self._saved = 0

    def deposit(self) -> None:
        """A request came in."""
        self._saved = min(self._saved + 1, MAX_SAVED * RETRY_EVERY)

    def withdraw(self) -> bool:
        """Whether a retry is paid for; then it is spent."""
        if self._saved < RETRY_EVERY:
            return False
        self._saved -= RETRY_EVERY
        return True


class Breaker:
    """Closed, open once MIN_FAILURES and half of the last outcomes failed, half-open with one probe."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=100)
        self._opened_at: float | None = None
        self._probe_at: float | None = None
        self._ticket = 0

    def admit(self, now: float) -> int | None:
        """A ticket to record the outcome under; None: do not ask. Half-open, only one has a ticket at a time."""
        if self._opened_at is None:
            return self._ticket
        if self.wait_s(now) > 0:
            return None
        self._probe_at = now
        self._ticket += 1
        return self._ticket

    def wait_s(self, now: float) -> float:
        """How long until somebody may ask again; 0 when now."""
        if self._opened_at is None:
            return 0.0
        until = self._opened_at + COOLDOWN_S if self._probe_at is None else self._probe_at + PROBE_MAX_S
        return max(0.0, until - now)

    def record(self, ticket: int, now: float, *, failed: bool) -> None:
        """Take an outcome into account, unless it is of a time before the breaker opened, or of a probe given up."""
        if ticket != self._ticket:
            return
        if self._opened_at is not None:
            self._outcomes.clear()
            if failed:
                self._open(now)
            else:
                self._opened_at = self._probe_at = None
            return
        self._outcomes.append((now, failed))
        if not failed:
            return
        recent = [bad for at, bad in self._outcomes if now - at <= WINDOW_S]
        if sum(recent) >= MIN_FAILURES and 2 * sum(recent) >= len(recent):
            self._open(now)

    def _open(self, now: float) -> None:
        self._opened_at, self._probe_at = now, None
        self._ticket += 1
