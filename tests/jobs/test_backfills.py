"""Backfills: objects that lie in the bucket become items, listed by the driver or by the stage's state machine."""

from collections.abc import Callable

import pytest

from chalicelib import wiring
from chalicelib.errors import Conflict
from chalicelib.events import handlers
from chalicelib.ops.jobs import backfill_steps
from tests.support.distributed_map import ARN, DEFINITION, StateMachine
from tests.support.running import RUNS, Runner
from tests.support.world import context, jpeg


@pytest.fixture
def machine(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> StateMachine:
    """A stage with a state machine, which lists from three objects on, two in a batch."""
    monkeypatch.setenv("BACKFILL_STATE_MACHINE", ARN)
    monkeypatch.setattr(backfill_steps, "MAP_FROM", 3)
    monkeypatch.setitem(DEFINITION["States"]["Objects"]["ItemBatcher"], "MaxItemsPerBatch", 2)
    wiring.forget_all()
    return StateMachine(runner.world)


def fill(runner: Runner, count: int, folder: str = "old/") -> None:
    """Put photos into alice's folder, of which S3 told nobody; beside them what is none of hers, or no file."""
    for number in range(count):
        runner.world.put(f"alice/{folder}{number}.jpg", jpeg(size=(40 + number, 30)))
    for key in ("alice/old/", "alice/_runs/00000000-0000-4000-8000-000000000000/in/a.zip", "bob/old/b.jpg"):
        runner.world.put(key, b"")


def start(runner: Runner, prefix: str = "old/") -> str:
    run_id = runner.begin(kind="backfill", parameters={"prefix": prefix})
    handlers.minute_passed()
    runner.world.run()
    return run_id


def done(runner: Runner, run_id: str, count: int) -> None:
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"], run["counts"]["done"]) == ("succeeded", count, count), run
    assert {outcome for outcome, _ in runner.outcomes(run_id).values()} == {"done"}
    assert runner.world.sql("SELECT DISTINCT user_id, status FROM items") == [("alice", "READY")]
    assert runner.world.sql("SELECT count(*) FROM items") == [(count,)]


def test_objects_below_a_prefix_become_items_and_again_are_the_same(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_steps, "LISTED_AT_ONCE", 2)
    fill(runner, 4)
    runner.world.put("alice/new/elsewhere.jpg", jpeg("blue"))
    first = start(runner)
    runner.settle()
    done(runner, first, 4)
    again = start(runner)
    runner.settle()
    done(runner, again, 4)
    assert runner.world.sql("SELECT count(*) FROM item_events WHERE event = 'received'") == [(4,)]
    body = {"name": "x", "kind": "backfill", "parameters": {"prefix": "\0"}}
    status, refused = runner("POST", "/api/v1/jobs", body)
    assert (status, refused["errors"][0]["field"]) == (400, "parameters.prefix")


def test_from_so_many_objects_on_the_state_machine_lists_and_all_else_is_the_same(
    runner: Runner, machine: StateMachine
) -> None:
    fill(runner, 5)
    run_id = start(runner)
    assert machine.status(run_id) == "RUNNING"
    assert runner.run(run_id)["counts"]["total"] == 0
    first, *others = machine.batches(run_id)
    for batch in (first, first):  # Step Functions has called the function twice
        handlers.event_received(batch, context())
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"], run["counts"]["done"]) == ("running", 1, 1), (
        "the folder is no file"
    )
    machine.run(run_id)
    runner.settle()
    done(runner, run_id, 5)
    assert len(others) == 2


def test_fewer_objects_need_no_state_machine(runner: Runner, machine: StateMachine) -> None:
    fill(runner, 1)
    run_id = start(runner)
    runner.settle()
    assert machine.status(run_id) is None
    done(runner, run_id, 1)


def cancel(runner: Runner, run_id: str) -> None:
    assert runner("POST", f"{RUNS}/{run_id}/cancel")[1]["state"] == "cancelling"


def expire(runner: Runner, run_id: str) -> None:
    runner.world.sql("UPDATE job_runs SET expires_at = now() - interval '1 minute'")
    handlers.minute_passed()


@pytest.mark.parametrize(("stop", "state"), [(cancel, "cancelled"), (expire, "expired")])
def test_a_run_that_is_stopped_ends_its_execution_and_takes_no_further_batch(
    runner: Runner, machine: StateMachine, stop: Callable[[Runner, str], None], state: str
) -> None:
    fill(runner, 5)
    run_id = start(runner)
    first, second, _ = machine.batches(run_id)
    handlers.event_received(first, context())
    stop(runner, run_id)
    with pytest.raises(Conflict):  # whoever is called before the execution has ended
        handlers.event_received(second, context())
    runner.world.run()
    assert machine.status(run_id) == "ABORTED"
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"], run["counts"]["done"]) == (state, 1, 0)
    assert [outcome for outcome, _ in runner.outcomes(run_id).values()] == ["cancelled"]


def test_a_list_that_fails_is_said_and_what_was_listed_is_done(runner: Runner, machine: StateMachine) -> None:
    fill(runner, 5)
    run_id = start(runner)
    handlers.event_received(list(machine.batches(run_id))[1], context())
    machine.end(run_id, "FAILED")
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["counts"]["failed"]) == ("partially_succeeded", 2, 1)
    assert runner.outcomes(run_id)["list of objects"] == ("failed", "list_failed")


def test_a_batch_of_another_users_objects_or_run_is_not_filed(runner: Runner, machine: StateMachine) -> None:
    fill(runner, 5)
    run_id = start(runner)
    batch = next(machine.batches(run_id))
    foreign = {"index": 0, "key": "bob/old/b.jpg", "size": 1}
    handlers.event_received(batch | {"detail": batch["detail"] | {"objects": [foreign]}}, context())
    assert runner.world.sql("SELECT count(*) FROM dead_letters") == [(1,)], "kept as refused"
    with pytest.raises(Conflict):
        handlers.event_received(batch | {"detail": batch["detail"] | {"user_id": "bob"}}, context())
    assert runner.world.sql("SELECT count(*) FROM run_files") == [(0,)]


def test_while_step_functions_is_away_the_run_waits_and_can_be_cancelled(
    runner: Runner, machine: StateMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runner, 5)
    monkeypatch.setenv("BACKFILL_STATE_MACHINE", f"{ARN}-gone")
    wiring.forget_all()
    run_id = start(runner)
    monkeypatch.delenv("BACKFILL_STATE_MACHINE")
    wiring.forget_all()
    runner.look()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"]) == ("running", 0)
    monkeypatch.setenv("BACKFILL_STATE_MACHINE", f"{ARN}-gone")
    wiring.forget_all()
    cancel(runner, run_id)
    runner.world.run()
    assert runner.run(run_id)["state"] == "cancelled"
