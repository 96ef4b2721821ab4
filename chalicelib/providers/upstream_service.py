"""An upstream with a memory: a second attempt where that is safe and paid for, a rest when it keeps failing."""

import threading
from collections.abc import Callable

from chalicelib.errors import Unavailable, UpstreamFailed, UpstreamUnreachable
from chalicelib.model.breaker import Breaker, RetryBudget
from chalicelib.model.gateway import Outbound, UpstreamAnswer

Send = Callable[..., UpstreamAnswer]
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
AWAY = frozenset({502, 503, 504})


class UpstreamService:
    """An upstream as this process has come to know it: shared by all its requests, safe between threads.

    `send(request, timeout_s=...)` asks it once; `clock` is a steady one, in seconds. `key` signs identities.
    """

    def __init__(
        self, *, name: str, url: str, base_path: str, key: bytes, send: Send, clock: Callable[[], float]
    ) -> None:
        self.name, self.url, self.base_path, self.key = name, url, base_path, key
        self._send, self._clock = send, clock
        self._lock = threading.Lock()
        self._breaker, self._budget = Breaker(), RetryBudget()

    def ask(self, request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        """Send, and once more where that is safe, worth it and paid for. Unavailable while the breaker is open."""
        give_up_at = self._clock() + timeout_s
        ticket = self._admit()
        if ticket is None:
            raise self._resting()
        with self._lock:
            self._budget.deposit()
        try:
            answer = self._attempt(ticket, request, give_up_at)
        except UpstreamUnreachable:
            again = self._admit_again(request, give_up_at)
            if again is None:
                raise
        else:
            again = self._admit_again(request, give_up_at) if answer.status in AWAY else None
            if again is None:
                return answer
        return self._attempt(again, request, give_up_at)

    def _attempt(self, ticket: int, request: Outbound, give_up_at: float) -> UpstreamAnswer:
        failed = True
        try:
            answer = self._send(request, timeout_s=give_up_at - self._clock())
            failed = answer.status in AWAY
        except UpstreamFailed as error:
            failed = error.code != "upstream_answer_too_large"  # it is well, if talkative
            raise
        finally:
            with self._lock:
                self._breaker.record(ticket, self._clock(), failed=failed)
        return answer

    def _admit(self) -> int | None:
        with self._lock:
            return self._breaker.admit(self._clock())

    def _admit_again(self, request: Outbound, give_up_at: float) -> int | None:
        if request.method not in IDEMPOTENT or self._clock() >= give_up_at:
            return None
        with self._lock:
            return self._breaker.admit(self._clock()) if self._budget.withdraw() else None

    def _resting(self) -> Unavailable:
        error = Unavailable("The upstream service fails; it is given a rest.", code="upstream_resting")
        with self._lock:
            error.retry_after_s = self._breaker.wait_s(self._clock())
        return error
