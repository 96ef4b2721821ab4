"""Registration: its terms, which a client reads before sign-in, and new accounts."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib import wiring
from chalicelib.api.accounts.proofs import ask_for_account
from chalicelib.api.http.fields import MailAddress, Name, NewPassword
from chalicelib.api.http.routes import Body, Request, Routes
from chalicelib.errors import Forbidden, InvalidInput
from chalicelib.model.accounts import passwords
from chalicelib.model.ingest.files import KIND_OF_MEDIA_TYPE, PARTS_ABOVE_BYTES, FileLimits
from chalicelib.model.jobs.kinds import KINDS
from chalicelib.ops.accounts import accounts
from chalicelib.settings import VERSION, Settings
from chalicelib.settings.roles import Chosen

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
    """A file of more than `form_max_bytes` is sent in parts. What has more than the others is refused or FAILED."""

    upload_max_bytes: int
    form_max_bytes: int
    image_max_pixels: int
    pdf_max_pages: int
    pdf_max_chars: int
    password_min_chars: int
    password_max_bytes: int


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `quota` requests in `window_s`.

    `whose`: those of an address, of a user by plan, costly ones, or logins.
    """

    whose: str
    quota: int
    window_s: int


class ModelInUse(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's model."""

    provider: str
    model: str


class Providers(msgspec.Struct, frozen=True, kw_only=True):
    """Providers in use. Of the models of a role the first is asked, and the next when it is away.

    Without `chat`, answers are quotes; without `rerank`, search keeps its own order. Vectors have
    `embedding_dimensions` numbers. `pictures` makes those of images, if another model does than for texts. Tokens of
    `oidc_issuer` are accepted.
    """

    analyzer: list[ModelInUse]
    embedding: list[ModelInUse]
    embedding_dimensions: int
    pictures: list[ModelInUse]
    chat: list[ModelInUse]
    rerank: list[ModelInUse]
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
        limits=_limits(settings),
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


def _limits(settings: Settings) -> Limits:
    files = FileLimits(max_bytes=settings.upload_max_bytes)
    return Limits(
        upload_max_bytes=files.max_bytes,
        form_max_bytes=PARTS_ABOVE_BYTES,
        image_max_pixels=files.max_pixels,
        pdf_max_pages=files.max_pages,
        pdf_max_chars=files.max_text_chars,
        password_min_chars=passwords.MIN_CHARS,
        password_max_bytes=passwords.MAX_BYTES,
    )


def _providers(settings: Settings) -> Providers:
    models = settings.models
    return Providers(
        analyzer=_in_use(models.analyzers),
        embedding=_in_use(() if models.embedder is None else (models.embedder,)),
        embedding_dimensions=models.embedding_dimensions,
        pictures=_in_use(() if models.picture_embedder is None else (models.picture_embedder,)),
        chat=_in_use(models.chats),
        rerank=_in_use(models.rerankers),
        oidc_issuer=settings.oidc_issuer,
    )


def _in_use(chosen: Iterable[Chosen]) -> list[ModelInUse]:
    return [ModelInUse(provider=each.provider, model=each.model) for each in chosen]


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
