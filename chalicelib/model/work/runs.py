"""Runs: work that may outlast a request. The table holds a run's state; an event only tells the runner to look."""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.model.work.pipeline import Event

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["answer"]

RUNNER_LEASE_S = 150  # longer than the runner's timeout (.chalice/config.json)
REQUEST_LEASE_S = 35  # longer than the API's timeout
MAX_ATTEMPTS = 6
BACKOFF_BASE_S = 5.0
BACKOFF_CAP_S = 300.0
MISCONFIGURED_RETRY_S = 60.0
LOST_AFTER_S = 600.0
LOST_A_MINUTE = 20
SOURCE, DETAIL_TYPE = "collections.api", "RunQueued"


class RunRef(Struct, frozen=True, kw_only=True):
    user_id: str
    run_id: str


class RunClaim(Struct, frozen=True, kw_only=True):
    """The right to execute a run until the lease ends. `token` fences the write of its result."""

    ref: RunRef
    kind: str
    input: dict[str, Any]
    token: str
    attempt: int


def wake_up(ref: RunRef) -> Event:
    """Return the event that makes the runner look at this run."""
    detail = {"run_id": ref.run_id, "user_id": ref.user_id}
    return Event(source=SOURCE, detail_type=DETAIL_TYPE, detail=detail, stage=None)
