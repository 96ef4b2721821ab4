"""`once`: a value that is made at the first call, and kept for the life of the process."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_making = threading.RLock()
_all: "list[once[Any]]" = []


class once(Generic[T]):  # noqa: N801  used as a decorator
    """Makes its value at the first call and keeps it. functools.cache lets two threads make two pools."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        _all.append(self)

    def __call__(self) -> T:
        with _making:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def is_made(self) -> bool:
        return bool(self._made)

    def forget(self) -> list[T]:
        """Make a new value next time; return the old one, for the caller to close."""
        made, self._made = self._made, []
        return made


def forget_all() -> None:
    """Close what has been made so far; the next calls make everything anew, from the environment as it is then."""
    for each in _all:
        for made in each.forget():
            if hasattr(made, "close"):
                made.close()
