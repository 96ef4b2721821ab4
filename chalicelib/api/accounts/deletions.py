"""The end of an account, and its receipt, which is read without an account."""

from datetime import datetime
from time import time
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib import wiring
from chalicelib.api.accounts.limits import admit_login, forget_user
from chalicelib.api.http.fields import Password
from chalicelib.api.http.routes import Body, Request, Response, Routes
from chalicelib.errors import Forbidden, InvalidInput, NotFound
from chalicelib.model.accounts.deletions import Receipt
from chalicelib.ops.accounts import accounts, delete

routes = Routes("accounts")
FRESH_S = 600


class AccountEnd(Body, frozen=True, kw_only=True):
    """The password of the account. Users of an outside issuer have none: they sign in again instead."""

    current_password: Password | UnsetType = UNSET


class AccountDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a deletion. It has no personal data; whoever knows its id may read it."""

    object: Literal["account_deletion"] = "account_deletion"
    id: str
    state: Literal["deleting", "deleted"]
    requested_at: datetime
    finished_at: datetime | None
    counts: Annotated[
        dict[str, int], Meta(description="What the account had, by kind, when its deletion began.")
    ]
    objects: Annotated[int, Meta(description="Versions of files that were deleted so far.")]


@routes.delete(
    "/api/v1/me",
    body=AccountEnd,
    returns=AccountDeletion,
    status=202,
    scope="account",
    errors=(Forbidden, NotFound),
    summary="Delete your account and everything in it, for good.",
)
def delete_me(request: Request) -> Response:
    _require_owner(request)
    receipt = delete.begin_deletion(
        request.user_id,
        str(request.creation_id),
        now_s=int(time()),
        db=wiring.database(),
        sessions=wiring.sessions(),
    )
    forget_user(request.user_id)
    return Response(_shown(receipt), headers={"Location": f"/api/v1/account-deletions/{receipt.id}"})


@routes.get(
    "/api/v1/account-deletions/{deletion_id}",
    returns=AccountDeletion,
    errors=(NotFound,),
    public=True,
    summary="Read the receipt of a deleted account.",
)
def get_account_deletion(request: Request) -> AccountDeletion:
    return _shown(delete.read_receipt(request.path["deletion_id"], db=wiring.database()))


def _require_owner(request: Request) -> None:
    """Raise InvalidInput unless the password is right; Forbidden unless a user without one has just signed in."""
    account = accounts.read_account(request.user_id, db=wiring.database())
    if account is None:
        raise NotFound("This user has no account.", code="no_account")
    if account.email is None:
        signed_in_at = request.caller.signed_in_at if request.caller else None
        if signed_in_at is None or signed_in_at < time() - FRESH_S:
            raise Forbidden(
                "Sign in again at your issuer first: the token's auth_time must be less than 10 minutes old.",
                code="sign_in_again",
            )
        return
    given: AccountEnd = request.body
    if given.current_password is UNSET:
        raise InvalidInput("current_password must be given to delete the account.", field="current_password")
    # An attempt here counts like an attempt at the login.
    admit_login(account.email, request.address)
    accounts.require_current_password(request.user_id, given.current_password, db=wiring.database())


def _shown(receipt: Receipt) -> AccountDeletion:
    return AccountDeletion(
        id=receipt.id,
        state="deleted" if receipt.finished_at else "deleting",
        requested_at=receipt.requested_at,
        finished_at=receipt.finished_at,
        counts=receipt.counts,
        objects=receipt.objects,
    )
