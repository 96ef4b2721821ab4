"""The scenarios, each on a ground of its own: chaos, a backlog, poison."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.backlog import Backlog
from tests.chaos.checks import (
    Report,
    count_calls,
    count_messages,
    find_wrong_items,
    find_wrong_objects,
    find_wrong_rows,
)
from tests.chaos.crew import Crew, crew
from tests.chaos.driver import Job
from tests.chaos.ground import Ground, ground
from tests.chaos.poison import Ward, make_healthy, make_poison
from tests.chaos.storm import CRASHES, Storm
from tests.chaos.uploads import make_uploads
from tests.chaos.worker import KILLS, RAISES

WORKERS = 3
REFUSED_BY_BUS = 0.03
LEAST_KILLS, LEAST_FREEZES = 10 / 300, 5 / 300  # an upload


def run_chaos(*, seed: int, size: int, say: Callable[[str], None]) -> Report:
    rng = random.Random(seed)
    uploads = make_uploads(rng, size)
    bus_rng = random.Random(seed + 1)
    started_at = time.monotonic()
    with _scene(refuses=lambda: bus_rng.random() < REFUSED_BY_BUS) as (scene, workers):
        storm = Storm(scene, workers, uploads=uploads, rng=rng, say=say)
        storm.run()
        calls, calls_wrong = count_calls(scene)
        messages, messages_wrong = count_messages(scene)
        wrong = [
            *storm.complaints,
            *find_wrong_items(scene, uploads),
            *find_wrong_rows(scene),
            *find_wrong_objects(scene, uploads),
            *calls_wrong,
            *messages_wrong,
            *_untold(scene, storm),
            *_too_calm(storm),
        ]
    figures = {
        **{name: str(count) for name, count in storm.done.items()},
        **calls,
        **messages,
        "invocations": str(storm.finished),
        "minutes, sweeps": f"{storm.minutes}, {storm.sweeps}",
        "sweeps an item needed": ", ".join(
            f"{sweeps}: {items} items" for sweeps, items in sorted(storm.journal.sweeps_needed.items())
        ),
        **_by_sweep(storm),
        "seconds": f"{time.monotonic() - started_at:.1f}",
    }
    return Report(title=f"chaos, {size} uploads, seed {seed}", figures=figures, wrong=wrong)


def run_backlog(*, seed: int, size: int, minutes: int = 60) -> Report:
    started_at = time.monotonic()
    with _scene() as (scene, workers):
        backlog = Backlog(scene, workers, rng=random.Random(seed))
        backlog.run(size, minutes=minutes)
        messages, wrong = count_messages(scene)
        ((again,),) = scene.sql("SELECT count(*) FROM item_events WHERE event = 'woken again'")
        ((waiting,),) = scene.sql("SELECT count(*) FROM tasks WHERE state = 'ready'")
    figures = {
        **messages,
        "still waiting": str(waiting),
        "woken again": str(again),
        "invocations": str(backlog.finished),
        "minutes, sweeps": f"{backlog.minutes}, {backlog.sweeps}",
        "seconds": f"{time.monotonic() - started_at:.1f}",
    }
    return Report(
        title=f"backlog of {size}, seed {seed}", figures=figures, wrong=[*backlog.complaints, *wrong]
    )


def run_poison(*, seed: int, size: int, of_each_kind: int = 5) -> Report:
    """Upload `size` files; `of_each_kind` make their reader raise an error, and as many make its process die."""
    rng = random.Random(seed)
    poison = [*make_poison(rng, RAISES, of_each_kind), *make_poison(rng, KILLS, of_each_kind)]
    healthy = size - len(poison)
    started_at = time.monotonic()
    with _scene() as (scene, workers):
        calm = Ward(
            scene, workers, uploads=make_healthy(rng, "calm", healthy // 2), rng=rng
        )  # at the same pace
        calm.run()
        mixed = [*make_healthy(rng, "mixed", healthy), *poison]
        rng.shuffle(mixed)
        ward = Ward(scene, workers, uploads=mixed, rng=rng)
        ward.run()
        wrong = [*calm.complaints, *ward.complaints, *ward.find_wrong(), *find_wrong_rows(scene)]
    (before, before_s), (after, after_s) = calm.p95(), ward.p95()
    figures = {
        "p95 delay in invocations, without and with poison": f"{before}, {after} (at most 3 x, plus one a poison)",
        "p95 delay in seconds": f"{before_s:.2f}, {after_s:.2f}",
        "minutes, sweeps": f"{ward.minutes}, {ward.sweeps}",
        "seconds": f"{time.monotonic() - started_at:.1f}",
    }
    if after > 3 * before + len(poison):
        wrong.append(f"the others wait too long: {figures}")
    return Report(title=f"poison: {len(poison)} of {size}, seed {seed}", figures=figures, wrong=wrong)


@contextmanager
def _scene(*, refuses: Callable[[], bool] = lambda: False) -> Iterator[tuple[Ground, Crew[Job]]]:
    with (
        ground(refuses=refuses) as scene,
        crew(WORKERS, environment=scene.environment, log=scene.worker_log) as workers,
    ):
        yield scene, workers


def _untold(scene: Ground, storm: Storm) -> list[str]:
    ready = {key for (key,) in scene.sql("SELECT key FROM items WHERE status = 'READY'")}
    return [f"nobody was told that {key} is ready" for key in sorted(ready - storm.ready)]


def _too_calm(storm: Storm) -> list[str]:
    """Return a run that proves little, since too little went wrong."""
    done = storm.done
    enough = (
        done["workers killed"] >= LEAST_KILLS * storm.size
        and done["of them holding a claim"] >= LEAST_FREEZES * storm.size
        and done["Postgres stopped"] == CRASHES
    )
    return [] if enough else [f"too calm: {dict(done)}"]


def _by_sweep(storm: Storm) -> dict[str, str]:
    """Return what each sweep healed."""
    lines: dict[str, list[str]] = {}
    for (sweep, what), items in sorted(storm.healed.items()):
        lines.setdefault(f"sweep {sweep}", []).append(f"{what}: {items}")
    return {sweep: ", ".join(found) for sweep, found in lines.items()}
