"""The caller's own account: read and change it."""

from datetime import datetime
from time import time
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib import wiring
from chalicelib.api.accounts.limits import admit_login
from chalicelib.api.http.fields import Name, NewPassword, Password
from chalicelib.api.http.routes import Body, Caller, Request, Routes
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.ops.accounts import accounts

routes = Routes("accounts")


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller. `scopes` are those of this request's credential.

    Fields are null for users of an outside issuer and for the anonymous user.
    """

    object: Literal["user"] = "user"
    id: str
    email: str | None
    name: str
    role: Literal["user", "admin"]
    plan: str
    scopes: list[str]
    created_at: datetime | None


class MeChange(Body, frozen=True, kw_only=True):
    """Fields to change. A new password needs the current one, and ends all other sessions; API keys stay."""

    name: Name | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET
    current_password: Password | UnsetType = UNSET


@routes.get("/api/v1/me", returns=Me, summary="Read your account.")
def get_me(request: Request) -> Me:
    return _me(request)


@routes.patch(
    "/api/v1/me",
    body=MeChange,
    returns=Me,
    scope="account",
    errors=(Conflict, NotFound),
    summary="Change your name or password.",
)
def change_me(request: Request) -> Me:
    change: MeChange = request.body
    if change.password is not UNSET:
        if change.current_password is UNSET:
            raise InvalidInput(
                "current_password must be given to set a new password.", field="current_password"
            )
        # An attempt here counts like an attempt at the login.
        admit_login(_me(request).email or request.user_id, request.address)
        accounts.change_password(
            request.user_id,
            current=change.current_password,
            new=change.password,
            session_id=_caller(request).session_id,
            now_s=int(time()),
            db=wiring.database(),
            sessions=wiring.sessions(),
        )
    if change.name is not UNSET:
        accounts.rename(request.user_id, change.name, db=wiring.database())
    return _me(request)


def _me(request: Request) -> Me:
    account, caller = accounts.read_account(request.user_id, db=wiring.database()), _caller(request)
    return Me(
        id=request.user_id,
        email=account.email if account else None,
        name=account.name if account else "",
        role="admin" if caller.is_admin else "user",
        plan=account.plan if account else caller.plan,
        scopes=sorted(caller.effective_scopes),
        created_at=account.created_at if account else None,
    )


def _caller(request: Request) -> Caller:
    assert request.caller is not None, "no public route"
    return request.caller
