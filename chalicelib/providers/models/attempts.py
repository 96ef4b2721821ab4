"""Asks the providers of one role: few calls within one deadline, waits as they ask, rests, fallbacks in order."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from chalicelib.errors import Unavailable
from chalicelib.model.gateway.breaker import Breaker

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger("collections.models")
MAX_CALLS = 3  # of one attempt, repairs and fallbacks among them
FIRST_WAIT_S = 0.25  # doubled each time, when the provider does not say how long
ATTEMPT_LEAST_S = 1.0  # nothing is waited for that leaves less time than this


class Calls:
    """The calls that one attempt may still make, and the time left for them."""

    def __init__(self, give_up_at: float, clock: Callable[[], float]) -> None:
        self._until = self._give_up_at = give_up_at
        self._clock = clock
        self.made = 0

    def begin(self) -> float:
        """Count a call, and return the seconds it may take. Raise Unavailable when no call or no time is left."""
        left_s = self._until - self._clock()
        if self.made >= MAX_CALLS or left_s <= 0:
            raise Unavailable("There is no time left to ask the provider.", code="no_time_left")
        self.made += 1
        return left_s

    def share(self, providers: int) -> None:
        """Keep a share of the time left for each of the `providers` that may still be asked."""
        now = self._clock()
        self._until = now + (self._give_up_at - now) / providers

    def may_wait(self, wait_s: float) -> bool:
        return self.made < MAX_CALLS and self._clock() + wait_s + ATTEMPT_LEAST_S < self._give_up_at


class Providers(Generic[T]):
    """The providers of one role in the order they are asked, as this process has come to know them.

    Safe to share between threads. `clock` is a steady one, in seconds.
    """

    def __init__(
        self,
        clients: Sequence[T],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.first = clients[0]
        self.clients, self._clock, self._sleep = tuple(clients), clock, sleep
        self._breakers = tuple(Breaker() for _ in clients)
        self._lock = threading.Lock()

    def ask(self, ask: Callable[[T, Calls], R], *, timeout_s: float) -> R:
        """Return what `ask` returns; it begins each of its calls with calls.begin().

        The next provider is asked when one is away, the last one again after a wait. Raises what the last one raised.
        """
        calls = Calls(self._clock() + timeout_s, self._clock)
        behind = len(self.clients)
        for place in range(len(self.clients)):
            behind -= 1
            calls.share(behind + 1)
            try:
                return self._ask_one(place, ask, calls, is_last=behind == 0)
            except Unavailable as error:
                if behind == 0 or not calls.may_wait(0):
                    raise
                failed = getattr(self.clients[place], "provider", "")
                log.warning(
                    "the provider failed, the next one is asked",
                    extra={"error": error.code, "provider": failed},
                )
        raise AssertionError("there is a last provider")

    def _ask_one(self, place: int, ask: Callable[[T, Calls], R], calls: Calls, *, is_last: bool) -> R:
        last: Unavailable | None = None
        while True:
            try:
                return self._ask_once(place, ask, calls)
            except Unavailable as error:
                if error.code == "provider_resting" and last is not None:
                    raise last from None  # it tells more: this attempt is why it rests
                wait_s = self._wait_s(error, calls)
                if not is_last or not error.at_once or not calls.may_wait(wait_s):
                    raise
                last = error
            self._sleep(wait_s)

    def _ask_once(self, place: int, ask: Callable[[T, Calls], R], calls: Calls) -> R:
        breaker, failed = self._breakers[place], False
        with self._lock:
            ticket = breaker.admit(self._clock())
            rest_s = breaker.wait_s(self._clock())
        if ticket is None:
            error = Unavailable("The provider fails; it is given a rest.", code="provider_resting")
            error.retry_after_s = rest_s
            raise error
        try:
            return ask(self.clients[place], calls)
        except Unavailable as error:
            failed = error.at_once
            raise
        finally:
            with self._lock:
                breaker.record(ticket, self._clock(), failed=failed)

    def _wait_s(self, error: Unavailable, calls: Calls) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s
        return FIRST_WAIT_S * 2 ** max(0, calls.made - 1) * random.uniform(0.5, 1.0)  # noqa: S311  no secret
