"""Puts work behind other work: a user's single upload gets the processor before the many files of another user.

Functions on AWS have a processor each; here all share a few. `local/queue_poller.py` marks the events.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BEHIND = "_behind"  # in an event whose user had another one shortly before
NICENESS = 10  # a ninth of the others' share while they have work


class Turns:
    """Calls a handler for one event after the other.

    Only root can raise a priority again, but on Linux each thread has its own: a second thread has the lower one. The
    first event is never put behind: the processes that it starts, such as the decoder, keep their priority for good.
    """

    def __init__(self, handler: Callable[[Any, Any], Any]) -> None:
        self._handler = handler
        self._behind = ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS,))
        self._has_begun = False

    def call(self, event: Any, context: Any) -> Any:
        is_behind = isinstance(event, dict) and event.pop(BEHIND, False) and self._has_begun
        self._has_begun = True
        if is_behind and sys.platform == "linux":
            return self._behind.submit(self._handler, event, context).result()
        return self._handler(event, context)
