"""Questions that are answered by runs."""

from typing import Any

from tests.support.talking import Talk

RUNS = "/api/v1/runs"
ASYNC = {"Prefer": "respond-async"}
QUESTION = "What does the lighthouse keeper count?"


def queued(talk: Talk, place: str) -> str:
    """Ask without waiting; return the run's id."""
    return str(talk.ask(place, QUESTION, headers=ASYNC).body["id"])


def states(talk: Talk) -> list[tuple[Any, ...]]:
    """Return state, attempts and error code of all runs, oldest first."""
    return talk.world.sql(
        "SELECT state, attempt, error_code FROM tasks WHERE run_id IS NOT NULL ORDER BY created_at"
    )
