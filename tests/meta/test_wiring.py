"""Things are made once, also when many threads ask at the same time."""

import threading
import time

from chalicelib.wiring.once import forget_all, once


def test_many_threads_get_one_thing() -> None:
    made: list[object] = []

    @once
    def slow() -> object:
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(slow())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert set(map(id, got)) == {id(made[0])}


class Closable:
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_all_is_closed_and_forgotten_at_once() -> None:
    made = once(Closable)
    number = once(lambda: len(names))
    names = ["one"]
    first = made()
    assert number() == 1
    names.append("two")
    forget_all()
    assert first.is_closed
    assert made() is not first
    assert number() == 2
