"""Thousands of tasks wait and few are worked on, while relays and sweeps come as always."""

import random

from tests.chaos.crew import Crew
from tests.chaos.driver import Driver, Job
from tests.chaos.ground import Ground
from tests.chaos.uploads import make_jpeg

USERS = 300
PREVIEW = "_derived/preview.jpg"
WORKED_ON_A_MINUTE = 6
ITEMS = "INSERT INTO items (user_id, id, key, name, status, kind, media_type, preview_key) VALUES %s"
TASKS = "INSERT INTO tasks (user_id, item_id, stage, state) VALUES %s"


class Backlog(Driver):
    def __init__(self, ground: Ground, crew: Crew[Job], *, rng: random.Random) -> None:
        super().__init__(
            ground, crew, rng=rng, window=24, copies=self.draw_copies, per_minute=WORKED_ON_A_MINUTE
        )

    def run(self, size: int, *, minutes: int) -> None:
        """Half of the time work is done, half of it none is."""
        self._make(size)
        while self.minutes < minutes / 2:
            self.step()
        self.stands_still = True
        while self.minutes < minutes:
            self.step()
        self.settle()

    def _make(self, size: int) -> None:
        """Pictures of many users, whose first stage is done, and whose next one waits to be woken."""
        self.ground.put(PREVIEW, make_jpeg(self.rng))
        items, tasks = [], []
        for number in range(size):
            user, item = f"user{number % USERS}", f"waiting {number}"
            key = f"{user}/{item}.jpg"
            items.append((user, item, key, key, "PROCESSING", "image", "image/jpeg", PREVIEW))
            tasks += [(user, item, "process", "done"), (user, item, "analyze", "ready")]
        self.ground.sql(f"INSERT INTO users (id) SELECT 'user' || n FROM generate_series(0, {USERS - 1}) n")
        for statement, rows in ((ITEMS, items), (TASKS, tasks)):
            self.ground.insert(statement, rows)
