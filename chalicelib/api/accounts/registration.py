"""Registration: its terms, which a client reads before sign-in, and new accounts."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib import wiring
from chalicelib.api.accounts.proofs import ask_for_account
from chalicelib.api.http.fields import MailAddress, Name, NewPassword
from chalicelib.api.http.routes import Body, Request, Routes
from chalicelib.errors import Forbidden, InvalidInput
from chalicelib.model.accounts import passwords
from chalicelib.model.ingest.files import KIND_OF_MEDIA_TYPE
from chalicelib.model.jobs.kinds import KINDS
from chalicelib.ops.accounts import accounts
from chalicelib.settings import VERSION, Settings

routes = Routes("accounts")


class NewAccount(Body, frozen=True, kw_only=True):
    """An account to make.

    If addresses are proved, send only `email`: the rest is chosen on the page behind the mail's link.
    """

    email: MailAddress
    password: NewPassword | UnsetType = UNSET
    name: Name | UnsetType = UNSET


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A mail was sent; or, without proofs, the address has an account now.

    An account that it had before is unchanged.
    """

    object: Literal["registration"] = "registration"
    email: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    upload_max_bytes: int
    password_min_chars: int
    password_max_bytes: int


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `quota` requests in `window_s`.

    `whose`: those of an address, of a user by plan, costly ones, or logins.
    """

    whose: str
    quota: int
    window_s: int


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """Providers in use; null if not set. Of several providers of a role, the one that is asked first.

    Tokens of `oidc_issuer` are accepted. Without `chat_model`, answers are quotes.
    """

    analyzer_provider: str | None
    analyzer_model: str | None
    embedding_provider: str | None
    embedding_model: str | None
    chat_provider: str | None
    chat_model: str | None
    rerank_provider: str | None
    rerank_model: str | None
    oidc_issuer: str | None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    app: str
    api: Literal["v1"] = "v1"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Terms of registration. `open`: anybody may register.

    `verify_email`: the address is proved by a mail's link first.

    `sends_mail`: a new password can be requested by mail.
    """

    object: Literal["registration_terms"] = "registration_terms"
    open: bool
    verify_email: bool
    sends_mail: bool
    limits: Limits
    rate_limits: list[RateLimit]
    media_types: list[str]
    job_kinds: list[str]
    providers: Providers
    versions: Versions


@routes.get(
    "/api/v1/registration",
    returns=Registration,
    public=True,
    summary="Read what a client must know before it signs in.",
)
def get_registration(request: Request) -> Registration:
    settings = wiring.settings()
    return Registration(
        open=settings.registration_open,
        verify_email=settings.verify_email,
        sends_mail=wiring.mailer() is not None,
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
        job_kinds=sorted(KINDS),
        providers=_providers(settings),
        versions=Versions(app=VERSION),
    )


def _providers(settings: Settings) -> Providers:
    models = settings.models
    embedders = () if models.embedder is None else (models.embedder,)
    roles = {
        "analyzer": models.analyzers,
        "embedding": embedders,
        "chat": models.chats,
        "rerank": models.rerankers,
    }
    first = {role: chosen[0] if chosen else None for role, chosen in roles.items()}
    named: dict[str, Any] = {f"{role}_provider": each and each.provider for role, each in first.items()}
    named |= {f"{role}_model": each and each.model for role, each in first.items()}
    return Providers(**named, oidc_issuer=settings.oidc_issuer)


@routes.post(
    "/api/v1/registration",
    body=NewAccount,
    returns=Accepted,
    status=202,
    errors=(Forbidden,),
    public=True,
    cost="login",
    summary="Ask for an account: the mail's link makes it. Where no address is proved, make it.",
)
def register(request: Request) -> Accepted:
    settings, body = wiring.settings(), request.body
    if not settings.registration_open:
        raise Forbidden("Registration is closed.", code="registration_closed")
    if settings.verify_email:
        for field in ("password", "name"):
            if getattr(body, field) is not UNSET:
                raise InvalidInput(
                    "Leave this field out: it is chosen on the page that the mail's link opens.", field=field
                )
        ask_for_account(body.email, "register")
    elif body.password is UNSET:
        raise InvalidInput("password must be given: this stage proves no addresses.", field="password")
    else:
        accounts.register(body.email, body.password, name=body.name or "", db=wiring.database())
    return Accepted(email=body.email)
