"""Storage limit of a caller, by plan."""

from chalicelib import wiring
from chalicelib.api.http.routes import Request
from chalicelib.model.usage.budgets import DEFAULT_PLAN, bytes_limit_of


def max_stored_bytes(request: Request) -> int | None:
    """Return how many bytes the caller may store; None: as many as they like."""
    plan = request.caller.plan if request.caller else DEFAULT_PLAN
    return bytes_limit_of(wiring.settings().storage_gb, plan)
