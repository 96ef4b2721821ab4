"""A retry takes all that its run did not do, however that run ended; the run's upload is kept as long as one may."""

from uuid import uuid4

import pytest

from chalicelib import wiring
from chalicelib.errors import BadFile, Conflict, Unavailable
from chalicelib.events import handlers
from chalicelib.model.work.tasks import POLICIES
from chalicelib.ops.jobs import drive, file_steps
from chalicelib.ops.jobs.runs import retry_run
from chalicelib.stores.aws.blobs import Blobs
from tests.jobs.test_archives import photos
from tests.jobs.test_cancelled_runs import begun, freeze_driver, places, results
from tests.support.racing import at_once
from tests.support.running import RUNS, Runner, zipped
from tests.support.world import jpeg


def retry(runner: Runner, run_id: str, *, total: int) -> str:
    status, again = runner("POST", f"{RUNS}/{run_id}/retry")
    assert (status, again["counts"]["total"]) == (201, total), again
    return str(again["id"])


def grow_old(runner: Runner, *run_ids: str) -> None:
    """31 days pass for these runs, and the sweeper comes until nothing is left to delete."""
    for run_id in run_ids:
        runner.world.sql(
            f"UPDATE job_runs SET finished_at = now() - interval '31 days' WHERE run_id = '{run_id}'"
        )
    for _ in range(3):
        runner.world.sweep()


def inputs(runner: Runner) -> list[str]:
    return [key for key in runner.world.objects() if "/in/" in key]


def test_what_was_never_begun_is_tried_again_even_before_a_driver_has_said_so(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "AT_WORK", 2)
    run_id = begun(runner, 6)
    freeze_driver(runner)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    handlers.minute_passed()
    assert runner.run(run_id)["state"] == "cancelled"
    again = retry(runner, run_id, total=5)
    runner.settle()
    assert (runner.run(again)["state"], runner.run(again)["counts"]["done"]) == ("succeeded", 5)
    assert [line["outcome"] for line in results(runner, run_id)].count("cancelled") == 5


def fail_driver(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's driver meets errors that pass until its attempts are used up."""

    def away(*args: object, **options: object) -> None:
        raise Unavailable("S3 does not answer.", code="s3_unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(drive, "_advance", away)
        for _ in range(POLICIES["job"].max_attempts):
            runner.world.sql("UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job'")
            handlers.minute_passed()
            for message in runner.world.messages():
                if '"job"' in message["body"]:
                    runner.world.deliver(message)


def test_a_run_whose_driver_fails_for_good_keeps_what_was_done_and_the_rest_is_tried_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "AT_WORK", 3)
    run_id = begun(runner, 6)
    fail_driver(runner, monkeypatch)
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"], run["counts"]["done"]) == ("failed", "s3_unavailable", 1)
    assert places(runner) == 0, "nothing of it is at work any more"
    runner.world.run()
    assert sorted(str(line["outcome"]) for line in results(runner, run_id)) == ["cancelled"] * 5 + ["done"]
    assert runner.run(run_id)["error"]["code"] == "s3_unavailable"
    again = retry(runner, run_id, total=5)
    runner.world.run()
    runner.settle()
    assert (runner.run(again)["state"], runner.run(again)["counts"]["done"]) == ("succeeded", 5)


@pytest.mark.parametrize("body", [zipped(photos(2)), jpeg()])
def test_a_run_that_failed_before_it_knew_its_files_begins_anew_with_the_same_upload(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    run_id = runner.begin()
    handlers.event_received(runner.send(run_id, body), None)
    fail_driver(runner, monkeypatch)
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"]) == ("failed", 0)
    again = retry(runner, run_id, total=0)
    runner.settle()
    assert runner.run(again)["state"] == "succeeded"
    grow_old(runner, run_id, again)
    kept = 0 if body.startswith(b"PK") else 1
    assert len(inputs(runner)) == kept, "a photo is an item's now"
    assert runner.world.sql("SELECT DISTINCT status FROM items") == [("READY",)]


def test_an_operators_redrive_of_a_failed_run_does_not_call_it_a_success(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runner.begin()
    handlers.event_received(runner.send(run_id, zipped(photos(2))), None)
    fail_driver(runner, monkeypatch)
    runner.world.sql(
        "UPDATE tasks SET state = 'ready', attempt = 0, run_after = now(), woken_at = NULL, error_code = NULL,"
        " finished_at = NULL WHERE stage = 'job'"
    )
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"]) == ("failed", "s3_unavailable")


def test_what_there_was_no_room_for_is_tried_again(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise BadFile("There is no room.", code="storage_full")

    run_id = runner.begin()
    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "put_parts", full)
        runner.give(run_id, zipped(photos(2)), filename="a.zip")
    assert {code for _, code in runner.outcomes(run_id).values()} == {"storage_full"}
    again = retry(runner, run_id, total=2)
    runner.settle()
    assert runner.run(again)["counts"]["done"] == 2


def test_the_file_of_a_run_is_kept_until_its_last_retry_is_pruned(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "AT_WORK", 1)
    run_id = begun(runner, 4)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.run()
    first = retry(runner, run_id, total=3)
    runner("POST", f"{RUNS}/{first}/cancel")
    runner.world.run()
    second = retry(runner, first, total=3)
    grow_old(runner, run_id, first)
    assert runner("GET", f"{RUNS}/{run_id}")[0] == 404
    assert len(inputs(runner)) == 1, "the second retry reads it"
    runner.settle()
    assert (runner.run(second)["state"], runner.run(second)["counts"]["done"]) == ("succeeded", 3)
    grow_old(runner, second)
    assert inputs(runner) == []


def test_a_retry_that_never_began_does_not_take_the_file_of_an_item_with_it(runner: Runner) -> None:
    run_id = runner.begin()
    runner.give(run_id, jpeg())
    runner.world.sql("UPDATE run_files SET outcome = 'failed'")
    again = retry(runner, run_id, total=1)
    runner("POST", f"{RUNS}/{again}/cancel")
    runner.world.run()
    grow_old(runner, run_id, again)
    assert len(inputs(runner)) == 1


def test_a_run_whose_driver_is_lost_again_and_again_ends_like_one_that_fails(runner: Runner) -> None:
    run_id = begun(runner, 3)
    freeze_driver(runner)
    used_up = f"attempt = {POLICIES['job'].max_attempts}, lease_until = now() - interval '1 s'"
    runner.world.sql(f"UPDATE tasks SET {used_up} WHERE stage = 'job'")
    runner.world.sweep()
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"], places(runner)) == ("failed", "worker_lost", 0)
    runner.world.run()
    assert [line["outcome"] for line in results(runner, run_id)].count("cancelled") == 2


def test_a_run_is_tried_again_by_one_retry_at_a_time(runner: Runner) -> None:
    run_id = begun(runner, 2)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.run()
    first = retry(runner, run_id, total=1)
    status, refused = runner("POST", f"{RUNS}/{run_id}/retry")
    assert (status, refused["code"]) == (409, "retry_at_work")
    assert first in refused["detail"]
    runner("POST", f"{RUNS}/{first}/cancel")
    runner.world.run()
    retry(runner, run_id, total=1)


def test_of_retries_that_come_at_once_one_begins(runner: Runner) -> None:
    run_id = begun(runner, 2)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.run()
    db, queues = runner.world.db, wiring.queues()
    outcomes = list[str]()

    def again() -> None:
        try:
            retry_run("alice", run_id, str(uuid4()), db=db, queues=queues)
            outcomes.append("begun")
        except Conflict as refused:
            outcomes.append(refused.code)

    at_once(*[again] * 4)
    assert sorted(outcomes) == ["begun", *["retry_at_work"] * 3]
