"""A cancel ends whatever the run is doing, and whoever is doing it.

Prefect #21616 is replayed here: a run that has begun and hangs was left to end itself, nothing else killed it, and
each retry left one more behind.
"""

from collections.abc import Callable

import pytest

from chalicelib.events import handlers
from tests.jobs.test_archives import photos
from tests.jobs.test_cancelled_runs import begun, freeze_driver, places, results
from tests.support.racing import at_once
from tests.support.running import RUNS, Runner, zipped

SPEND = (
    "INSERT INTO usage_ledger (user_id, run_id, operation, provider, model, input_tokens, cached_tokens,"
    " cache_write_tokens, cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms)"
    " VALUES ('alice', '{}', 'analyze', 'anthropic', 'm', 1, 0, 0, 0, 1, 0, 0.5, '2026-01-01', 1)"
)


def never_begun(runner: Runner) -> str:
    return runner.begin()


def queued(runner: Runner) -> str:
    """Its file is there, and no driver has looked at it."""
    run_id = runner.begin()
    handlers.event_received(runner.send(run_id, zipped(photos(3)), filename="a.zip"), None)
    return run_id


def validating(runner: Runner) -> str:
    run_id = queued(runner)
    runner.world.sql("UPDATE job_runs SET state = 'validating', validating_at = now()")
    freeze_driver(runner)
    return run_id


def running(runner: Runner) -> str:
    run_id = begun(runner, 3)
    freeze_driver(runner)
    return run_id


def paused(runner: Runner) -> str:
    run_id = begun(runner, 3, max_cost_usd=0.5)
    runner.world.sql(SPEND.format(run_id))
    runner.world.sql("UPDATE job_runs SET paused_at = now()")
    freeze_driver(runner)
    return run_id


def finalizing(runner: Runner) -> str:
    run_id = begun(runner, 1)
    runner.world.sql("UPDATE job_runs SET state = 'finalizing', finalizing_at = now()")
    freeze_driver(runner)
    return run_id


@pytest.mark.parametrize("make", [never_begun, queued, validating, running, paused, finalizing])
@pytest.mark.parametrize("is_frozen", [True, False])
def test_whatever_it_does_it_ends_within_a_minute_and_nothing_of_it_is_at_work(
    runner: Runner, make: Callable[[Runner], str], is_frozen: bool
) -> None:
    run_id = make(runner)
    for _ in range(2):
        status, run = runner("POST", f"{RUNS}/{run_id}/cancel")
        assert (status, run["state"], run["paused_at"]) == (200, "cancelling", None)
    if is_frozen:
        handlers.minute_passed()  # and no worker takes anything
    else:
        runner.world.run()
    run = runner.run(run_id)
    assert (run["state"], run["stuck_at"]) == ("cancelled", None)
    assert run["finished_at"] >= run["cancelling_at"]
    assert places(runner) == 0
    runner.world.run()
    assert runner.world.sql("SELECT count(*) FROM tasks WHERE state IN ('ready', 'running')") == [(0,)]
    assert runner.world.sql("SELECT count(*) FROM run_files WHERE outcome IS NULL") == [(0,)]
    assert runner.run(run_id)["state"] == "cancelled", "whoever comes later does not change it"


def test_a_run_that_hangs_is_cancelled_and_its_retries_do_not_add_up(runner: Runner) -> None:
    """Prefect #21616: each retry of a run that hangs held one more place, for ever."""
    run_id = begun(runner, 3)
    for _ in range(3):
        freeze_driver(runner)
        assert places(runner) == 2
        assert runner("POST", f"{RUNS}/{run_id}/cancel")[0] == 200
        assert places(runner) == 0
        handlers.minute_passed()
        assert runner.run(run_id)["state"] == "cancelled"
        status, again = runner("POST", f"{RUNS}/{run_id}/retry")
        assert (status, again["counts"]["total"]) == (201, 2), again
        run_id = again["id"]
        for message in runner.world.messages():
            if '"job"' in message["body"]:
                runner.world.deliver(message)
        runner.world.sql(
            "UPDATE tasks SET state = 'running', token = gen_random_uuid(), attempt = 1,"
            " lease_until = now() + interval '1 hour' WHERE stage = 'process' AND state = 'ready'"
        )
    runner("POST", f"{RUNS}/{run_id}/cancel")
    assert places(runner) == 0


def test_a_cancel_that_meets_the_end_of_the_run_is_refused_or_final(runner: Runner) -> None:
    """Both are asked at one moment: whoever comes first decides, and the other one says so."""
    for number in range(6):
        run_id = runner.begin()
        runner.world.step(runner.send(run_id, zipped(photos(1)), filename=f"{number}.zip"))
        runner.world.run()
        runner.world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job' AND state = 'ready'"
        )
        handlers.minute_passed()
        (last,) = [each for each in runner.world.messages() if '"job"' in each["body"]]
        answers: list[tuple[int, str]] = []

        def cancel(run_id: str = run_id, answers: list[tuple[int, str]] = answers) -> None:
            status, answer = runner("POST", f"{RUNS}/{run_id}/cancel")
            answers.append((status, answer.get("state") or answer["code"]))

        at_once(cancel, lambda last=last: runner.world.deliver(last))  # type: ignore[misc]
        runner.settle()
        state = runner.run(run_id)["state"]
        assert (answers[0], state) in (
            ((200, "cancelling"), "cancelled"),
            ((200, "cancelled"), "cancelled"),
            ((409, "run_is_over"), "succeeded"),
        )
        assert len(results(runner, run_id)) == 1
        runner.world.sql("DELETE FROM items")
    assert runner.world.sql("SELECT count(*) FROM tasks WHERE state IN ('ready', 'running')") == [(0,)]
