"""Invocations of functions: an invocation, its outcome, and the queue in which invocations wait until they are due."""

import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A function's result as JSON. If `failed`, it is an object with errorType and errorMessage."""

    payload: bytes
    failed: bool

    @classmethod
    def failure(cls, error_type: str, message: str) -> "Outcome":
        payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
        return cls(payload=payload, failed=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One attempt at one event. Retries keep the request id, as on Lambda. `attempt` counts from 1."""

    request_id: str
    function_arn: str
    payload: bytes
    is_async: bool = True
    attempt: int = 1
    first_queued_at: float = field(default_factory=time.monotonic)
    _answered: threading.Event = field(default_factory=threading.Event)
    _answers: list[Outcome] = field(default_factory=list)

    def again(self) -> "Invocation":
        return replace(self, attempt=self.attempt + 1)

    def age_s(self) -> float:
        return time.monotonic() - self.first_queued_at

    def answer(self, outcome: Outcome) -> None:
        self._answers.append(outcome)
        self._answered.set()

    def wait(self) -> Outcome:
        """Wait until `answer` is called for a synchronous invocation. Return its outcome."""
        self._answered.wait()
        return self._answers[0]


class FunctionQueue:
    """The waiting invocations of one function, taken in the order in which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Invocation]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, invocation: Invocation, *, delay_s: float = 0) -> None:
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + delay_s, next(self._order), invocation))
            self._changed.notify()

    def take(self) -> Invocation | None:
        """Wait for the next invocation that is due and return it. Return None once the queue is closed."""
        with self._changed:
            while not self._closed:
                wait_s = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(wait_s)
            return None

    def pending(self) -> int:
        """Return the number of waiting invocations, due or not."""
        with self._changed:
            return len(self._heap)

    def close(self) -> None:
        """End all waits of `take`. Drop the waiting invocations; synchronous callers get a failure."""
        with self._changed:
            self._closed = True
            for _, _, invocation in self._heap:
                invocation.answer(Outcome.failure("Stopped", "the local stack is stopping"))
            self._changed.notify_all()


Finish = Callable[[Invocation, Outcome], None]
