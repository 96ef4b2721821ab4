"""Routes for actions that a mail's link proves: an account, a new password, a new address, an invitation."""

from time import time
from typing import Literal

import msgspec

from chalicelib import wiring
from chalicelib.api.accounts.limits import admit_login, admit_mail
from chalicelib.api.http.fields import LinkToken, MailAddress, Name, NewPassword, Password
from chalicelib.api.http.routes import Body, Request, Routes
from chalicelib.errors import Forbidden, NotFound
from chalicelib.ops.accounts import accounts, proofs

routes = Routes("accounts")


class Address(Body, frozen=True, kw_only=True):
    email: MailAddress


class NewAddress(Body, frozen=True, kw_only=True):
    email: MailAddress
    current_password: Password


class Proof(Body, frozen=True, kw_only=True):
    token: LinkToken


class PasswordProof(Proof, frozen=True, kw_only=True):
    password: NewPassword


class AccountProof(PasswordProof, frozen=True, kw_only=True):
    name: Name = ""


class Mailed(msgspec.Struct, frozen=True, kw_only=True):
    """A mail was sent to the address. Its text depends on whether the address has an account."""

    object: Literal["mail"] = "mail"
    email: str


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """The account's address, to sign in with."""

    object: Literal["address"] = "address"
    email: str


@routes.post(
    "/api/v1/accounts",
    body=AccountProof,
    returns=Proved,
    status=201,
    errors=(Forbidden,),
    public=True,
    cost="login",
    summary="Make the account that a mail's link, or an invitation, is for; sign in afterwards.",
)
def create_account(request: Request) -> Proved:
    body = request.body
    email = proofs.make_account(
        body.token,
        body.password,
        name=body.name,
        registration_open=wiring.settings().registration_open,
        now_s=int(time()),
        db=wiring.database(),
        links=wiring.links(),
    )
    return Proved(email=email)


@routes.post(
    "/api/v1/invitations",
    body=Address,
    returns=Mailed,
    status=202,
    admin=True,
    summary="Invite an address: mail it a link that makes an account, also while registration is closed.",
)
def create_invitation(request: Request) -> Mailed:
    ask_for_account(request.body.email, "invite")
    return Mailed(email=request.body.email)


@routes.post(
    "/api/v1/password-resets",
    body=Address,
    returns=Mailed,
    status=202,
    errors=(Forbidden,),
    public=True,
    cost="login",
    summary="Ask for a link that sets a new password.",
)
def create_password_reset(request: Request) -> Mailed:
    email, mailer = request.body.email, wiring.require_mailer()
    admit_mail(email, "reset")
    proofs.ask_for_password(
        email, now_s=int(time()), db=wiring.database(), links=wiring.links(), mailer=mailer
    )
    return Mailed(email=email)


@routes.post(
    "/api/v1/password",
    body=PasswordProof,
    returns=Proved,
    public=True,
    cost="login",
    summary="Set a new password by a mail's link; it ends all sessions.",
)
def set_password(request: Request) -> Proved:
    email = proofs.set_password(
        request.body.token,
        request.body.password,
        now_s=int(time()),
        db=wiring.database(),
        links=wiring.links(),
        sessions=wiring.sessions(),
    )
    return Proved(email=email)


@routes.post(
    "/api/v1/me/email",
    body=NewAddress,
    returns=Mailed,
    status=202,
    scope="account",
    errors=(NotFound,),
    summary="Ask for another address: it is yours once the link in its mail is followed.",
)
def change_email(request: Request) -> Mailed:
    body, mailer = request.body, wiring.require_mailer()
    account = accounts.read_account(request.user_id, db=wiring.database())
    # An attempt at the password here counts like an attempt at the login.
    admit_login((account and account.email) or request.user_id, request.address)
    admit_mail(body.email, "address")
    proofs.ask_for_address(
        request.user_id,
        body.email,
        password=body.current_password,
        now_s=int(time()),
        db=wiring.database(),
        links=wiring.links(),
        mailer=mailer,
    )
    return Mailed(email=body.email)


@routes.post(
    "/api/v1/verifications",
    body=Proof,
    returns=Proved,
    errors=(Forbidden,),
    public=True,
    cost="login",
    summary="Confirm a new address by the link in its mail; the old one is told.",
)
def create_verification(request: Request) -> Proved:
    email = proofs.confirm_address(
        request.body.token,
        now_s=int(time()),
        db=wiring.database(),
        links=wiring.links(),
        mailer=wiring.require_mailer(),
    )
    return Proved(email=email)


def ask_for_account(email: str, purpose: Literal["register", "invite"]) -> None:
    """Mail a link that makes an account. Raise RateLimited, and Forbidden if this stage sends no mail."""
    mailer = wiring.require_mailer()
    admit_mail(email, purpose)
    proofs.ask_for_account(
        email, purpose, now_s=int(time()), db=wiring.database(), links=wiring.links(), mailer=mailer
    )
