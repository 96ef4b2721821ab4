"""Registration: what a client must know before anybody is signed in, and how an account is made."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http import Body, Request, Routes
from chalicelib.errors import Forbidden
from chalicelib.model import passwords
from chalicelib.model.files import KIND_OF_MEDIA_TYPE
from chalicelib.ops import accounts
from chalicelib.settings import VERSION, ChatProvider

routes = Routes("accounts")
# ASCII: Postgres' lower() and Python's differ beyond it ("İ"), and then a login is not counted for its account.
# `$` alone would let a line's end pass. A domain in other letters has its xn-- form.
Email = Annotated[str, Meta(pattern=r"^[!-?A-~]{1,64}@[!-?A-~]{1,189}(?!\s)$", max_length=254)]
Name = Annotated[str, Meta(max_length=200)]
Password = Annotated[str, Meta(max_length=passwords.MAX_TYPED_CHARS)]
NewPassword = Annotated[
    str,
    Meta(
        max_length=passwords.MAX_TYPED_CHARS,
        description=f"{passwords.MIN_CHARS} characters to {passwords.MAX_BYTES} bytes once it is normalised (RFC 8265);"
        " not the address.",
    ),
]


class NewAccount(Body, frozen=True, kw_only=True):
    email: Email
    password: NewPassword
    name: Name = ""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The address has an account now: this one, or the one it had, whose password is as it was."""

    object: Literal["registration"] = "registration"
    email: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    upload_max_bytes: int
    password_min_chars: int
    password_max_bytes: int


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """`quota` requests in `window_s`. `whose`: all of an address, a user's by plan, its costly ones, logins."""

    whose: str
    quota: int
    window_s: int


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """`oidc_issuer`: its tokens are taken as ours are. Nulls: there is none; answers are then made of quotes."""

    embedding_model: str | None
    chat_provider: ChatProvider | None
    chat_model: str | None
    oidc_issuer: str | None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    app: str
    api: Literal["v1"] = "v1"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """`open`: whether anybody may register."""

    object: Literal["registration_terms"] = "registration_terms"
    open: bool
    limits: Limits
    rate_limits: list[RateLimit]
    media_types: list[str]
    job_kinds: list[str]
    providers: Providers
    versions: Versions


@routes.get(
    "/api/v1/registration", returns=Registration, public=True, summary="What a client must know beforehand."
)
def get_registration(request: Request) -> Registration:
    settings = wiring.settings()
    return Registration(
        open=settings.registration_open,
        limits=Limits(
            upload_max_bytes=settings.upload_max_bytes,
            password_min_chars=passwords.MIN_CHARS,
            password_max_bytes=passwords.MAX_BYTES,
        ),
        rate_limits=[
            RateLimit(whose=whose, quota=quota, window_s=window_s)
            for whose, rates in settings.rates.items()
            for quota, window_s in rates
        ],
        media_types=sorted(KIND_OF_MEDIA_TYPE),
        job_kinds=[],
        providers=Providers(
            embedding_model=settings.embedding_model if settings.embeddings_url else None,
            chat_provider=settings.chat_provider,
            chat_model=settings.chat_model if settings.chat_provider else None,
            oidc_issuer=settings.oidc_issuer,
        ),
        versions=Versions(app=VERSION),
    )


@routes.post(
    "/api/v1/registration",
    body=NewAccount,
    returns=Accepted,
    status=202,
    errors=(Forbidden,),
    public=True,
    cost="login",
    summary="Make an account; sign in afterwards.",
)
def register(request: Request) -> Accepted:
    settings, body = wiring.settings(), request.body
    if not settings.registration_open:
        raise Forbidden("Registration is closed.", code="registration_closed")
    admins = {email.casefold() for email in settings.admin_emails}
    accounts.register(
        body.email,
        body.password,
        name=body.name,
        may_be_admin=body.email.casefold() in admins,
        db=wiring.database(),
    )
    return Accepted(email=body.email)
