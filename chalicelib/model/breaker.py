"""Retry budget and circuit breaker of an upstream.

Both are plain state machines; `now` is seconds of any monotonic clock. They are not thread-safe.
"""

from collections import deque

RETRY_EVERY = 10  # requests that earn one retry: at most 1.1 requests go out for each request that came in
MAX_SAVED = 10  # retries that can be saved up
WINDOW_S = 30.0
MIN_FAILURES = 5
COOLDOWN_S = 10.0
PROBE_MAX_S = 30.0  # after that the probe is given up; the Lambda function's own timeout is shorter


class RetryBudget:
    """A budget of retries, counted in tenths of a retry. It starts empty: the bound holds from the first request."""

    def __init__(self) -> None:
        self._saved = 0

    def deposit(self) -> None:
        """Add the share of a retry that one incoming request earns."""
        self._saved = min(self._saved + 1, MAX_SAVED * RETRY_EVERY)

    def withdraw(self) -> bool:
        """Spend one retry and return True, or return False if less than one is saved."""
        if self._saved < RETRY_EVERY:
            return False
        self._saved -= RETRY_EVERY
        return True


class Breaker:
    """A circuit breaker: closed, open, or half-open with one probe at a time.

    It opens when, of the outcomes in the last WINDOW_S seconds, at least MIN_FAILURES and at least half are failures.
    """

    def __init__(self) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=100)
        self._opened_at: float | None = None
        self._probe_at: float | None = None
        self._ticket = 0

    def admit(self, now: float) -> int | None:
        """Return a ticket to record the outcome under, or None if the upstream must not be asked now.

        While the breaker is half-open, only one request at a time gets a ticket: the probe.
        """
        if self._opened_at is None:
            return self._ticket
        if self.wait_s(now) > 0:
            return None
        self._probe_at = now
        self._ticket += 1
        return self._ticket

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next request may be admitted, 0 if it may be admitted now."""
        if self._opened_at is None:
            return 0.0
        until = self._opened_at + COOLDOWN_S if self._probe_at is None else self._probe_at + PROBE_MAX_S
        return max(0.0, until - now)

    def record(self, ticket: int, now: float, *, failed: bool) -> None:
        """Record an outcome. Ignore the outcome of a request sent before the breaker opened, or of an expired probe."""
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
