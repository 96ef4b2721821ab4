"""A server whose network changes its mood while many ask it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.tcp_proxy import Mood, TcpProxy

MOODS: list[Mood] = ["pass", "reset", "pass", "refuse", "pass", "close", "slice", "hang", "pass"]


def through_all_moods(postgres: TcpProxy, work: Callable[[], Any], *, hang_s: float = 0.4) -> list[Any]:
    """Return all that 40 threads were told, which kept asking while the moods changed."""
    over, told = threading.Event(), []

    def keep_asking() -> None:
        while not over.is_set():
            told.append(work())

    with ThreadPoolExecutor(40) as pool:
        threads = [pool.submit(keep_asking) for _ in range(40)]
        for mood in MOODS:
            postgres.be(mood)
            time.sleep(hang_s if mood == "hang" else 0.4)
        over.set()
    for thread in threads:
        thread.result()
    return told
