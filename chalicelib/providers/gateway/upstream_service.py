"""Calls an upstream with a retry where that is safe, and with a circuit breaker for an upstream that keeps failing."""

import threading
from collections.abc import Callable

from chalicelib.errors import Unavailable, UpstreamFailed, UpstreamUnreachable
from chalicelib.model.gateway.breaker import Breakers, RetryBudget, Tickets
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer

Send = Callable[..., UpstreamAnswer]
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
AWAY = frozenset({502, 503, 504})


class UpstreamService:
    """An upstream with its breaker and its retry budget, shared by all requests of this process. Thread-safe.

    `send(request, timeout_s=...)` makes one attempt. `clock` is monotonic, in seconds. `key` signs identities.
    """

    def __init__(
        self, *, name: str, url: str, base_path: str, key: bytes, send: Send, clock: Callable[[], float]
    ) -> None:
        self.name, self.url, self.base_path, self.key = name, url, base_path, key
        self._send, self._clock = send, clock
        self._lock = threading.Lock()
        self._breakers, self._budget = Breakers(), RetryBudget()

    def ask(self, request: Outbound, *, caller: str, timeout_s: float) -> UpstreamAnswer:
        """Send the request, and once more if that is safe and the budget allows it.

        Raise Unavailable while the breaker is open, for all callers or for this one.
        """
        give_up_at = self._clock() + timeout_s
        tickets = self._admit(caller)
        if tickets is None:
            raise self._resting(caller)
        with self._lock:
            self._budget.deposit()
        try:
            answer = self._attempt(caller, tickets, request, give_up_at)
        except UpstreamUnreachable:
            again = self._admit_again(caller, request, give_up_at)
            if again is None:
                raise
        else:
            again = self._admit_again(caller, request, give_up_at) if answer.status in AWAY else None
            if again is None:
                return answer
        return self._attempt(caller, again, request, give_up_at)

    def _attempt(self, caller: str, tickets: Tickets, request: Outbound, give_up_at: float) -> UpstreamAnswer:
        failed = True
        try:
            answer = self._send(request, timeout_s=give_up_at - self._clock())
            failed = answer.status in AWAY
        except UpstreamFailed as error:
            failed = error.code != "upstream_answer_too_large"  # the service works; its response is too large
            raise
        finally:
            with self._lock:
                self._breakers.record(caller, tickets, self._clock(), failed=failed)
        return answer

    def _admit(self, caller: str) -> Tickets | None:
        with self._lock:
            return self._breakers.admit(caller, self._clock())

    def _admit_again(self, caller: str, request: Outbound, give_up_at: float) -> Tickets | None:
        if request.method not in IDEMPOTENT or self._clock() >= give_up_at:
            return None
        with self._lock:
            return self._breakers.admit(caller, self._clock()) if self._budget.withdraw() else None

    def _resting(self, caller: str) -> Unavailable:
        error = Unavailable(
            "The upstream service keeps failing; try again later.",
            code="upstream_resting",
        )
        with self._lock:
            error.retry_after_s = self._breakers.wait_s(caller, self._clock())
        return error
