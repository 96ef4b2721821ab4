"""Threads that meet, and workers that are taken for dead."""

import threading
from collections.abc import Callable

from tests.support.world import World


def at_once(*works: Callable[[], object]) -> None:
    """Do all of this at the same moment, each in a thread of its own.

    Not requests of Chalice's test client: each puts another os.environ in place for its time, and threads that overlap
    would leave it there.
    """
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def expire_leases(world: World) -> None:
    """End the leases of all workers."""
    world.sql("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running'")
