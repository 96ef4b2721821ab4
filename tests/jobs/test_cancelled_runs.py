"""Runs that are stopped: cancelled, overdue, out of money; whatever their workers do.

Replays what users of other services report: a cancel that never ends (Prefect #21616, #18840, #16001), more at once
than allowed (Hatchet #4778), results lost when a batch expires.
"""

import json
import urllib.request
from typing import Any

import pytest

from chalicelib.events import handlers
from chalicelib.model.jobs import archives
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs import file_steps, runs
from chalicelib.ops.work.stages import WriteResults
from chalicelib.stores.library import items
from tests.jobs.test_archives import photos
from tests.support.running import RUNS, Runner, zipped
from tests.support.world import jpeg


def begun(runner: Runner, count: int, **run: Any) -> str:
    """Begin a run of a zip of so many photos, of which the first is done and the others have a worker each or wait."""
    run_id = runner.begin(run=run)
    runner.world.step(runner.send(run_id, zipped(photos(count)), filename="a.zip"))
    first, *_ = [message for message in runner.world.messages() if "process" in message["body"]]
    runner.world.sql("UPDATE tasks SET woken_at = NULL WHERE stage = 'process' AND state = 'ready'")
    runner.world.deliver(first)
    for _ in range(2):
        for message in runner.world.messages():
            if "process" not in message["body"]:
                runner.world.deliver(message)
    runner.world.sql(
        "UPDATE tasks SET state = 'running', token = gen_random_uuid(), lease_until = now() + interval '1 hour',"
        " attempt = 1 WHERE stage = 'process' AND state = 'ready'"
    )
    return run_id


def results(runner: Runner, run_id: str) -> list[dict[str, Any]]:
    answer = runner.api._client.http.get(runner.run(run_id)["results_url"])
    lines = urllib.request.urlopen(answer.headers["Location"], timeout=10).read().splitlines()
    return [json.loads(line) for line in lines]


def places(runner: Runner) -> int:
    """Return the number of alice's places in the pipeline that are taken."""
    ((taken,),) = runner.world.sql(
        "SELECT count(*) FROM tasks WHERE stage = 'process' AND state = 'running' AND lease_until > now()"
    )
    return int(taken)


def freeze_driver(runner: Runner) -> None:
    runner.world.sql(
        "UPDATE tasks SET state = 'running', token = gen_random_uuid(), lease_until = now() + interval '1 hour'"
        " WHERE stage = 'job' AND state = 'ready'"
    )


def test_cancel_is_final_at_once_and_frees_the_places_of_frozen_workers(runner: Runner) -> None:
    """Prefect #21616 among others: a cancel that does not end, while its worker hangs."""
    run_id = begun(runner, 4)
    freeze_driver(runner)
    assert places(runner) == 3
    status, run = runner("POST", f"{RUNS}/{run_id}/cancel")
    assert (status, run["state"]) == (200, "cancelling")
    assert places(runner) == 0
    assert runner("POST", f"{RUNS}/{run_id}/cancel")[1]["state"] == "cancelling"
    runner.world.run()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["counts"]["remaining"]) == ("cancelled", 1, 3)
    lines = results(runner, run_id)
    assert sorted(line["outcome"] for line in lines) == ["cancelled"] * 3 + ["done"]
    assert runner("POST", f"{RUNS}/{run_id}/cancel")[1]["state"] == "cancelled"


def test_a_worker_that_goes_on_after_the_cancel_changes_nothing(runner: Runner) -> None:
    """Prefect #18840: the run said Cancelling, and its worker went on as if nothing had happened."""
    run_id = runner.begin()
    runner.world.step(runner.send(run_id, zipped(photos(2)), filename="a.zip"))
    first, second = (ItemRef(user_id="alice", item_id=str(number)) for number in range(2))

    def goes_on(claim: Claim) -> WriteResults:
        assert runner("POST", f"{RUNS}/{run_id}/cancel")[1]["state"] == "cancelling"
        return lambda tx: items.set_status(tx, claim.ref, "READY")

    runner.world.do_stage("process", first, goes_on)
    runner.world.run()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"]) == ("cancelled", 0)
    for ref in (first, second):
        item = runner.world.item(ref.item_id)
        assert (item["status"], item["failure_code"]) == ("FAILED", "cancelled")


def test_with_no_worker_at_all_the_relay_ends_it_within_a_minute(runner: Runner) -> None:
    """Prefect #16001: a run whose executor is gone stays Cancelling for ever."""
    run_id = begun(runner, 3)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.messages()  # and nobody takes them
    handlers.minute_passed()
    run = runner.run(run_id)
    assert (run["state"], run["results_url"]) == ("cancelled", None)
    runner.world.messages()
    runner.world.heal()
    assert len(results(runner, run_id)) == 3, "written as soon as there is a worker"


def test_a_frozen_worker_that_wakes_up_writes_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runner.begin()
    event = runner.send(run_id, zipped(photos(3)), filename="a.zip")
    read = archives.read_entry

    def cancelled_meanwhile(archive: Any, number: int) -> Any:
        if number == 2:
            assert runner("POST", f"{RUNS}/{run_id}/cancel")[0] == 200
        return read(archive, number)

    with monkeypatch.context() as patched:
        patched.setattr(archives, "read_entry", cancelled_meanwhile)
        runner.world.run(event)
    runner.settle()
    assert runner.run(run_id)["state"] == "cancelled"
    assert runner.world.sql("SELECT count(*) FROM items") == [(0,)]
    assert runner.world.sql("SELECT count(*) FROM run_files WHERE started_at IS NOT NULL") == [(0,)]
    copies = [key for key in runner.world.objects() if key.endswith(".jpg")]
    assert len(copies) == 3, "the worker has stored what it had begun to read"
    runner.world.sql("UPDATE object_deletions SET created_at = now() - interval '1 s'")
    runner.world.sweep()
    assert [key for key in runner.world.objects() if key.endswith(".jpg")] == [], "and nobody needs it"


def test_what_was_finished_is_kept_when_its_time_is_over(runner: Runner) -> None:
    run_id = begun(runner, 4, expires_in_s=60)
    runner.world.sql("UPDATE job_runs SET expires_at = now() - interval '10 s'")
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["counts"]["remaining"]) == ("expired", 1, 3)
    assert [line["outcome"] for line in results(runner, run_id)].count("done") == 1
    assert places(runner) == 0
    status, again = runner("POST", f"{RUNS}/{run_id}/retry")
    assert (status, again["counts"]["total"]) == (201, 3)
    runner.world.run()
    runner.settle()
    assert runner.run(again["id"])["state"] == "succeeded"


def test_a_run_whose_driver_is_frozen_ends_when_its_time_is_over(runner: Runner) -> None:
    run_id = begun(runner, 3)
    freeze_driver(runner)
    runner.world.sql("UPDATE job_runs SET expires_at = now() - interval '1 minute'")
    handlers.minute_passed()
    assert runner.run(run_id)["state"] == "expired"
    runner.world.run()
    assert len(results(runner, run_id)) == 3


def test_a_run_that_nobody_sends_a_file_for_expires(runner: Runner) -> None:
    run_id = runner.begin(run={"expires_in_s": 60})
    runner("GET", f"{RUNS}/{run_id}/upload-url?parts=2")
    runner.world.sql(
        "UPDATE job_runs SET expires_at = now() - interval '1 s'; UPDATE tasks SET run_after = now()"
    )
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"], run["results_url"]) == ("expired", 0, None)


def test_a_run_pauses_when_its_money_is_spent_and_goes_on_with_more(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "AT_WORK", 2)
    run_id = runner.begin(max_cost_usd=0.5)
    runner.world.step(runner.send(run_id, zipped(photos(5)), filename="a.zip"))
    runner.world.sql(
        "INSERT INTO usage_ledger (user_id, run_id, operation, provider, model, input_tokens, cached_tokens,"
        " cache_write_tokens, cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms)"
        f" VALUES ('alice', '{run_id}', 'analyze', 'anthropic', 'm', 1, 0, 0, 0, 1, 0, 0.5, '2026-01-01', 1)"
    )
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["cost_usd"], run["paused_at"] is not None) == ("running", 0.5, True)
    assert run["counts"]["remaining"] == 3, "the two that were at work have ended"
    status, changed = runner("PATCH", f"{RUNS}/{run_id}", {"max_cost_usd": 2})
    assert (status, changed["max_cost_usd"]) == (200, 2)
    runner.world.run()
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["paused_at"]) == ("succeeded", 5, None)


def test_a_run_that_stands_still_is_said_to_be_stuck(runner: Runner) -> None:
    run_id = begun(runner, 3)
    runner.world.sql("UPDATE job_runs SET progressed_at = now() - interval '31 minutes'")
    runner.world.sweep()
    assert runner.run(run_id)["stuck_at"] is not None
    runner.world.sql("UPDATE tasks SET state = 'ready', woken_at = NULL WHERE state = 'running'")
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["stuck_at"]) == ("succeeded", None)


def test_many_are_cancelled_and_retried_by_a_filter_that_is_not_empty(runner: Runner) -> None:
    first = [runner.begin() for _ in range(2)]
    other = runner.begin()
    assert runner("POST", f"{RUNS}/cancel", {"filter": {}})[1]["code"] == "empty_filter"
    assert runner("POST", f"{RUNS}/retry", {"filter": {}})[1]["code"] == "empty_filter"
    job_id = runner.run(first[0])["job_id"]
    status, answer = runner("POST", f"{RUNS}/cancel", {"filter": {"job_id": job_id}})
    assert (status, [run["id"] for run in answer["data"]]) == (200, [first[0]])
    assert runner.run(other)["state"] == "queued"
    run_id = begun(runner, 2)
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.run()
    status, answer = runner("POST", f"{RUNS}/retry", {"filter": {"state": "cancelled"}})
    assert [run["retry_of"] for run in answer["data"]] == [run_id]


def test_a_job_with_an_open_run_is_not_deleted(runner: Runner) -> None:
    run_id = runner.begin()
    job_id = runner.run(run_id)["job_id"]
    assert runner("DELETE", f"/api/v1/jobs/{job_id}")[1]["code"] == "job_has_open_runs"
    runner("POST", f"{RUNS}/{run_id}/cancel")
    runner.world.run()
    assert runner("DELETE", f"/api/v1/jobs/{job_id}")[0] == 204
    assert (runner.run(run_id)["state"], runner.run(run_id)["job_id"]) == ("cancelled", None)


def test_a_user_has_so_many_open_runs_and_no_more(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_OPEN_RUNS", 2)
    runner.begin()
    run_id = runner.begin()
    job_id = runner.run(run_id)["job_id"]
    status, answer = runner("POST", RUNS, {"job_id": job_id})
    assert (status, answer["code"]) == (409, "too_many_runs")
    assert runner.world.sql("SELECT count(*) FROM tasks WHERE stage = 'job'") == [(2,)]


def test_no_more_of_a_run_is_at_work_than_may_be(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hatchet #4778: more at once than allowed."""
    monkeypatch.setattr(file_steps, "AT_WORK", 3)
    run_id = runner.begin()
    most = 0
    events = [runner.send(run_id, zipped(photos(6)), filename="a.zip")]
    while runner.run(run_id)["state"] != "succeeded":
        runner.world.step(*events)
        events = []
        runner.world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job' AND state = 'ready'"
        )
        handlers.minute_passed()
        ((at_work,),) = runner.world.sql(
            "SELECT count(*) FROM run_files WHERE started_at IS NOT NULL AND outcome IS NULL"
        )
        most = max(most, at_work)
    assert most == 3


def test_what_is_old_is_deleted_with_its_objects(runner: Runner) -> None:
    run_id = runner.begin()
    runner.give(run_id, zipped(photos(1)), filename="a.zip")
    assert (
        len([key for key in runner.world.objects() if run_id in key]) == 4
    )  # the zip, its entry, two files of lines
    runner.world.sql("UPDATE job_runs SET finished_at = now() - interval '31 days'")
    runner.world.sweep()
    runner.world.sweep()
    assert runner("GET", f"{RUNS}/{run_id}")[0] == 404
    assert [key.rpartition("/")[2] for key in runner.world.objects() if run_id in key] == ["0.jpg"]


def test_the_file_of_a_run_that_refused_it_becomes_no_item_and_is_deleted_with_the_run(
    runner: Runner,
) -> None:
    run_id = runner.begin(kind="zip_import")
    event = runner.send(run_id, jpeg())
    runner.world.run(event)
    assert runner.run(run_id)["error"]["code"] == "not_an_archive"
    runner.world.run(event)  # late, once more
    runner.world.sweep()
    assert runner.world.sql("SELECT count(*) FROM items") == [(0,)]
    assert runner.world.objects() == [event["detail"]["object"]["key"]]
    runner.world.sql("UPDATE job_runs SET finished_at = now() - interval '31 days'")
    runner.world.sweep()
    assert runner.world.objects() == []
