"""Thousands of tasks wait and few are worked on, while relays and sweeps come as always."""

import json
import random
from datetime import UTC, datetime, timedelta

from chalicelib.model.library.items import ItemRef
from chalicelib.model.work import pipeline
from tests.chaos.crew import Crew
from tests.chaos.driver import Driver, Job
from tests.chaos.ground import Ground
from tests.chaos.uploads import make_jpeg
from tests.support.emulated import BUCKET

USER = "alice"
PREVIEW = "_derived/preview.jpg"
BORN_OVER_S = 600.0  # the wake-ups of the waiting tasks go out over so long
WORKED_ON_A_MINUTE = 6
MINUTES_WORKED_ON, MINUTES_STOOD_STILL = 30, 30
ITEMS = "INSERT INTO items (user_id, id, key, name, status, kind, media_type, preview_key) VALUES %s"
TASKS = "INSERT INTO tasks (user_id, item_id, stage, state, run_after) VALUES %s"
OUTBOX = "INSERT INTO outbox (user_id, item_id, stage, source, detail_type, detail, due_at) VALUES %s"


class Backlog(Driver):
    def __init__(self, ground: Ground, crew: Crew[Job], *, rng: random.Random) -> None:
        super().__init__(
            ground, crew, rng=rng, window=24, copies=self.draw_copies, per_minute=WORKED_ON_A_MINUTE
        )

    def run(self, size: int) -> None:
        self._make(size)
        while self.minutes < MINUTES_WORKED_ON:
            self.step()
        self.stands_still = True
        while self.minutes < MINUTES_WORKED_ON + MINUTES_STOOD_STILL:
            self.step()
        self.settle()

    def _make(self, size: int) -> None:
        """Pictures whose first stage is done; the next one's events go out one after the other."""
        self.ground.put(PREVIEW, make_jpeg(self.rng))
        now = datetime.now(UTC)
        items, tasks, events = [], [], []
        for number in range(size):
            ref = ItemRef(user_id=USER, item_id=f"waiting {number}")
            key = f"{USER}/{ref.item_id}.jpg"
            wake = pipeline.wake_up("analyze", ref, bucket=BUCKET, key=key, kind="image")
            due_at = now + timedelta(seconds=BORN_OVER_S * number / size)
            items.append((*_names(ref), key, key, "PROCESSING", "image", "image/jpeg", PREVIEW))
            tasks += [(*_names(ref), "process", "done", now), (*_names(ref), "analyze", "ready", due_at)]
            detail = json.dumps(wake.detail)
            events.append((*_names(ref), "analyze", wake.source, wake.detail_type, detail, due_at))
        self.ground.sql(f"INSERT INTO users (id) VALUES ('{USER}')")
        for statement, rows in ((ITEMS, items), (TASKS, tasks), (OUTBOX, events)):
            self.ground.insert(statement, rows)


def _names(ref: ItemRef) -> tuple[str, str]:
    return ref.user_id, ref.item_id
