"""Counts requests against the limits of their address and their caller, and mails against those of their address."""

from collections.abc import Sequence
from contextlib import suppress
from time import time

from chalicelib import wiring
from chalicelib.api.http.routes import Caller
from chalicelib.errors import Unavailable
from chalicelib.model.accounts import limits
from chalicelib.model.accounts.limits import Admission, Cost, Limit
from chalicelib.ops.accounts import admit as ops


def admit_address(address: str, cost: Cost) -> Admission | None:
    """Count a request against its address. Raise RateLimited."""
    return _admit(limits.address_key(address), limits.address_limits(wiring.settings().rates, cost), cost)


def admit_caller(caller: Caller, cost: Cost) -> Admission | None:
    """Count a request against its caller. Raise RateLimited."""
    return _admit(
        f"user:{caller.user_id}", limits.caller_limits(wiring.settings().rates, caller.plan, cost), cost
    )


def refuse_address(address: str) -> None:
    """Raise RateLimited when this process knows that the address has reached its limits. Count nothing."""
    held_to = limits.address_limits(wiring.settings().rates, "plain")
    ops.refuse_known(limits.address_key(address), held_to, store=wiring.rate_limits())


def admit_login(email: str, address: str) -> None:
    """Count an attempt at a password, before the password is looked at. Raise RateLimited."""
    ops.admit_login(
        email,
        address,
        limits.account_limits(wiring.settings().rates),
        db=wiring.database(),
        sessions=wiring.sessions(),
        store=wiring.rate_limits(),
        now_s=int(time()),
    )


def admit_mail(email: str, purpose: str) -> None:
    """Count a mail that somebody has asked for, before it is sent. Raise RateLimited."""
    ops.admit_mail(
        email,
        purpose,
        limits.mail_limits(wiring.settings().rates),
        store=wiring.rate_limits(),
    )


def forget_user(user_id: str) -> None:
    """Delete the counts of a user who is gone. Without DynamoDB they stay until they expire, within 25 hours."""
    with suppress(Unavailable):
        wiring.rate_limits().forget(f"user:{user_id}")


def _admit(key: str, held_to: Sequence[Limit], cost: Cost) -> Admission | None:
    return ops.admit(key, held_to, cost=cost, store=wiring.rate_limits())
