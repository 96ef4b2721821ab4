"""Admission of a request: who is counted for it, before anything is done.

    a public route                   its address
    a request with a good credential its user
    a request without one            its address, so that guessing is limited

An address that is known to have reached its limit is refused before its credential is looked up.
"""

from collections.abc import Mapping

from chalicelib.api.http.routes import Caller, Edge
from chalicelib.errors import Unauthenticated
from chalicelib.model.accounts.limits import Admission, Cost


def admit_anybody(edge: Edge, address: str, cost: Cost, counted: list[Admission]) -> None:
    """Count a request of a public route; append the admission to `counted`. Raise RateLimited."""
    if cost != "none" and (admission := edge.admit_address(address, cost)):
        counted.append(admission)


def admit_caller(
    edge: Edge, headers: Mapping[str, str], address: str, cost: Cost, counted: list[Admission]
) -> Caller:
    """Return the caller, counted; append the admission to `counted`. Raise Unauthenticated and RateLimited."""
    if cost == "none":
        return edge.identify(headers)
    edge.refuse_address(address)
    try:
        caller = edge.identify(headers)
    except Unauthenticated:
        admit_anybody(edge, address, "plain", counted)
        raise
    if admission := edge.admit_caller(caller, cost):
        counted.append(admission)
    return caller
