"""Lends decoders to draw several pages at the same time, and lets callers wait in a fair order while all are in use."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Unavailable
from chalicelib.providers import Render

if TYPE_CHECKING:
    from chalicelib.providers.ingest.decoder import Decoder

MAX_WAIT_S = 5.0  # with PAGE_TIMEOUT_S and the file's download a request ends within 25 s


class _Waiting(Struct, eq=False):
    caller: str


class DrawingPool:
    """Lends up to `size` decoders, which are made when they are first needed. Thread-safe.

    One caller can have at most `size` - 1 of several, so that one is left for the others. A free decoder goes to the
    caller who has the fewest; among equals, to the one who has waited longest.
    """

    def __init__(self, make: "Callable[[], Decoder]", *, size: int, max_wait_s: float = MAX_WAIT_S) -> None:
        self._make = make
        self._size = size
        self._max_wait_s = max_wait_s
        self._changed = threading.Condition()
        self._free: list[Decoder] = []
        self._lent: Counter[str] = Counter()  # decoders by caller
        self._waiting: list[_Waiting] = []  # the one that has waited longest is first

    @contextmanager
    def lend(self, caller: str) -> Iterator[Render]:
        """Lend a decoder's `render_page` until the block ends.

        Raise Unavailable after a wait of `max_wait_s` seconds.
        """
        decoder = self._take(caller)
        try:
            yield decoder.render_page
        finally:
            with self._changed:
                self._lent -= Counter([caller])
                self._free.append(decoder)
                self._changed.notify_all()

    def close(self) -> None:
        """End the decoders that are not lent."""
        with self._changed:
            while self._free:
                self._free.pop().close()

    def _take(self, caller: str) -> "Decoder":
        me = _Waiting(caller)
        with self._changed:
            self._waiting.append(me)
            try:
                if not self._changed.wait_for(lambda: self._next() is me, self._max_wait_s):
                    raise Unavailable("Too many pages are being drawn; try again soon.", code="busy_drawing")
                decoder = self._free.pop() if self._free else self._make()
                self._lent[caller] += 1
                return decoder
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()

    def _next(self) -> _Waiting | None:
        """Return the next caller who may have a decoder, or None."""
        if self._lent.total() == self._size:
            return None
        most = max(1, self._size - 1)
        entitled = [each for each in self._waiting if self._lent[each.caller] < most]
        return min(entitled, key=lambda each: self._lent[each.caller], default=None)
