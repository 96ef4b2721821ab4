"""Stop a run: all that it has at work ends at once, whatever its workers do."""

from typing import Literal

from chalicelib.model.jobs.runs import STOPPED, Counts, Run
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

SENTENCES = {
    "cancelling": "The run was cancelled before this file was done.",
    "expired": "The run's time was over before this file was done.",
    "failed": "The run failed before this file was done.",
}


def stop_run(tx: Tx, user_id: str, run: Run, state: Literal["cancelling", "expired"]) -> None:
    """Stop the run, which the caller has locked. Its files' workers and its driver lose their fences and places.

    What was finished is kept. The driver is made ready again, to write the files of results.
    """
    _stop_files(tx, user_id, run, SENTENCES[state])
    runs.set_state(tx, user_id, run.id, state)
    tasks.restart_run(tx, user_id, run.id)


def fail_run(tx: Tx, user_id: str, run_id: str) -> None:
    """End a run whose driver has failed for good, for its driver's reason, unless it is stopped or over.

    Like stop_run, but a driver that could not even list the files is left as it has failed.
    """
    run = runs.lock(tx, user_id, run_id)
    if run is None or run.state in STOPPED:
        return
    _stop_files(tx, user_id, run, SENTENCES["failed"])
    runs.set_failed(tx, user_id, run_id, code=run.error_code or "", message=run.error_message or "")
    if run.total:
        tasks.restart_run(tx, user_id, run_id)


def _stop_files(tx: Tx, user_id: str, run: Run, message: str) -> None:
    settle_files(tx, user_id, run.id)
    at_work = [file.item_id for file in files.list_at_work(tx, user_id, run.id) if file.item_id]
    items.fail_all(tx, user_id, at_work, code="cancelled", message=message)
    tasks.cancel_stages(tx, user_id, at_work)
    files.cancel_at_work(tx, user_id, run.id, at_work, message=message)


def settle_files(tx: Tx, user_id: str, run_id: str) -> Counts:
    """End the lines of the run whose items have ended, and count them."""
    counts = files.settle(tx, user_id, run_id)
    if counts.done or counts.failed or counts.skipped:
        runs.add_counts(tx, user_id, run_id, done=counts.done, failed=counts.failed, skipped=counts.skipped)
    return counts
