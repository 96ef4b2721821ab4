"""Jobs with a schedule: begun by the relay, once for all times that were missed."""

from datetime import UTC, datetime

import pytest

from chalicelib.errors import InvalidInput
from chalicelib.events import handlers
from chalicelib.model.jobs.schedules import next_time
from tests.support.running import RUNS, Runner
from tests.support.world import jpeg

NOW = datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("* * * * *", "2026-02-01T00:00"),
        ("30 6 * * 1", "2026-02-02T06:30"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 12 L * *", "2026-02-28T12:00"),
    ],
)
def test_the_next_time(line: str, moment: str) -> None:
    assert next_time(line, after=NOW).isoformat() == f"{moment}:00+00:00"


@pytest.mark.parametrize(
    "line",
    ["", "often", "* * * *", "0 0 30 2 *", "* * * * * *", "61 * * * *", "* * * * *\n\n\0", "9" * 10_000],
)
def test_a_line_that_names_no_time_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        next_time(line, after=NOW)
    assert refused.value.field == "schedule"


def due_job(runner: Runner) -> str:
    runner.world.ingest("alice/a.jpg", jpeg())
    job = {"name": "again", "kind": "reprocess", "parameters": {"all": True}, "schedule": "*/5 * * * *"}
    job_id = str(runner("POST", "/api/v1/jobs", job)[1]["id"])
    runner.world.sql("UPDATE jobs SET next_run_at = now() - interval '3 days'")
    return job_id


def test_a_job_that_is_due_is_begun_once_however_many_times_were_missed(runner: Runner) -> None:
    job_id = due_job(runner)
    for _ in range(3):
        handlers.minute_passed()
    (run,) = runner("GET", f"{RUNS}?job_id={job_id}")[1]["data"]
    assert run["scheduled_for"] is not None
    job = runner("GET", f"/api/v1/jobs/{job_id}")[1]
    assert datetime.fromisoformat(job["next_run_at"]) > datetime.now(UTC)
    runner.world.run()
    runner.settle()
    assert runner.run(run["id"])["state"] == "succeeded"


def test_a_job_whose_last_run_is_open_is_not_begun_again(runner: Runner) -> None:
    job_id = due_job(runner)
    handlers.minute_passed()
    runner.world.sql("UPDATE jobs SET next_run_at = now() - interval '1 minute'")
    handlers.minute_passed()
    assert len(runner("GET", f"{RUNS}?job_id={job_id}")[1]["data"]) == 1


def test_a_schedule_is_taken_away(runner: Runner) -> None:
    job_id = due_job(runner)
    status, job = runner("PATCH", f"/api/v1/jobs/{job_id}", {"schedule": None, "name": "never"})
    assert (status, job["schedule"], job["next_run_at"], job["name"]) == (200, None, None, "never")
    handlers.minute_passed()
    assert runner("GET", f"{RUNS}?job_id={job_id}")[1]["data"] == []
