"""A journal of the disturbances, and of the sweeps until everything was healed."""

from collections import Counter
from collections.abc import Iterable

from tests.chaos.uploads import Upload

# The first may come before LOST_GRACE_S is over; the second may count a doubled message in place of the lost one.
MOST_SWEEPS = 3


class Journal:
    """Counts complete sweeps for each piece, which is what is to be one item: some bytes of one user."""

    def __init__(self, uploads: Iterable[Upload]) -> None:
        self._pieces = {upload.key: upload.piece for upload in uploads}
        self._open: dict[str, set[str]] = {}  # piece -> its keys that have been put and not ended
        self._since: dict[str, int] = {}  # piece -> sweeps there had been at its last disturbance
        self._late: set[str] = set()
        self.lost_keys: set[str] = set()
        self.sweeps_needed: Counter[int] = Counter()

    def put(self, key: str, sweeps: int) -> None:
        self._open.setdefault(self._pieces[key], set()).add(key)
        self.disturbed(key, sweeps)

    def disturbed(self, key: str, sweeps: int) -> None:
        self._since[self._pieces[key]] = sweeps

    def same_piece(self, key: str, other: str | None) -> bool:
        return other is not None and self._pieces[key] == self._pieces[other]

    def note_ended(self, keys: set[str], sweeps: int) -> None:
        for piece, waiting in list(self._open.items()):
            waiting -= keys
            if not waiting:
                del self._open[piece]
                self.sweeps_needed[sweeps - self._since[piece]] += 1

    def find_late(self, sweeps: int, under_way: set[str]) -> list[str]:
        """Keys that MOST_SWEEPS since their last disturbance have neither brought to an end nor on their way.

        Each is told once. `under_way` are keys whose next event waits for a worker.
        """
        moving = {self._pieces[key] for key in under_way} | self._late
        late = {piece for piece in self._open if sweeps - self._since[piece] >= MOST_SWEEPS} - moving
        self._late |= late
        return sorted(key for piece in late for key in self._open[piece])

    @property
    def is_over(self) -> bool:
        return not self._open
