"""Stop a run: all that it has at work ends at once, whatever its workers do."""

from typing import Literal

from chalicelib.model.jobs.runs import Counts, Run
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

SENTENCES = {
    "cancelling": "The run was cancelled before this file was done.",
    "expired": "The run's time was over before this file was done.",
}


def stop_run(tx: Tx, user_id: str, run: Run, state: Literal["cancelling", "expired"]) -> None:
    """Stop the run, which the caller has locked. Its files' workers and its driver lose their fences and places.

    What was finished is kept. The driver is made ready again, to write the files of results.
    """
    settle_files(tx, user_id, run.id)
    at_work = [file.item_id for file in files.list_at_work(tx, user_id, run.id) if file.item_id]
    items.fail_all(tx, user_id, at_work, code="cancelled", message=SENTENCES[state])
    tasks.cancel_stages(tx, user_id, at_work)
    files.cancel_at_work(tx, user_id, run.id, at_work, message=SENTENCES[state])
    runs.set_state(tx, user_id, run.id, state)
    tasks.restart_run(tx, user_id, run.id)


def settle_files(tx: Tx, user_id: str, run_id: str) -> Counts:
    """End the lines of the run whose items have ended, and count them."""
    counts = files.settle(tx, user_id, run_id)
    if counts.done or counts.failed or counts.skipped:
        runs.add_counts(tx, user_id, run_id, done=counts.done, failed=counts.failed, skipped=counts.skipped)
    return counts
