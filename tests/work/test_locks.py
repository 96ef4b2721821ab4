"""Items are locked before their tasks, by everybody: so no two processes wait for each other."""

import threading
import time
from collections.abc import Callable

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.model.library.items import ItemRef
from chalicelib.ops.operations.failures import redrive_failure
from chalicelib.ops.work.engine import take_back
from chalicelib.stores.work import outbox, tasks
from tests.support.emulated import BUCKET
from tests.support.world import World, jpeg

EXPIRED = "state = 'running', lease_until = now() - interval '1 s', attempt = 8, token = gen_random_uuid()"


def take_back_expired(world: World) -> object:
    return world.db.transact_as_system(lambda tx: take_back(tx, tasks.list_expired(tx, limit=10)))


def rewake(world: World) -> object:
    return world.db.transact_as_system(lambda tx: tasks.unwake_lost(tx, "process", messages=0, grace_s=120))


def redrive(world: World) -> object:
    ((failure,),) = world.sql("SELECT id FROM failures")
    return redrive_failure(failure, db=wiring.pipeline_database(), bucket=BUCKET)


@pytest.mark.parametrize(
    ("state", "work"),
    [
        (EXPIRED, take_back_expired),
        ("woken_at = now() - interval '1 h', run_after = now() - interval '1 h'", rewake),
        ("state = 'failed', error_code = 'x', error_message = 'x', finished_at = now()", redrive),
    ],
)
def test_who_waits_for_an_item_holds_none_of_its_tasks(
    world: World, state: str, work: Callable[[World], object]
) -> None:
    """A worker has locked its item, and locks its task next; another process wants both meanwhile."""
    world.deliver(world.put("alice/a.jpg", jpeg()))
    task = world.task(ItemRef(user_id="alice", item_id="a"), "process")
    world.sql(f"UPDATE tasks SET {state}")
    meet(world, work, row=f"tasks WHERE id = {task.task_id}")
    assert world.sql("SELECT woken_at IS NULL OR state = 'failed' FROM tasks") == [(True,)]


def test_who_notes_an_event_as_published_does_not_wait_for_one_who_deletes_its_item(world: World) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.sql("UPDATE outbox SET published_at = NULL")

    def publish(world: World) -> object:
        return world.db.transact_as_system(lambda tx: outbox.set_published(tx, [1]))

    meet(world, publish, row="outbox WHERE id = 1")
    assert len(world.published()) == 1


def meet(world: World, work: Callable[[World], object], *, row: str) -> None:
    """Lock the item; while `work` waits for it, lock a row of the item's, which `work` must not hold."""
    worker = psycopg2.connect(world.admin_url)
    with worker.cursor() as cursor:
        cursor.execute("SELECT 1 FROM items FOR UPDATE")
        other = threading.Thread(target=work, args=(world,))
        other.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        give_up_at = time.monotonic() + 30
        while world.sql(waits) == [(0,)] and time.monotonic() < give_up_at:
            time.sleep(0.01)
        cursor.execute(f"SELECT 1 FROM {row} FOR UPDATE NOWAIT")
    worker.commit()
    worker.close()
    other.join()
