"""One place of assembly: what is made once a process, and nothing is made before it is asked for.

The only package that imports heavy libraries, and it does so inside functions: a request that
needs no database never loads its driver.
"""

import os
from typing import TYPE_CHECKING

from chalicelib.errors import Forbidden, Misconfigured
from chalicelib.model.accounts.signed_links import Links
from chalicelib.model.accounts.tokens import Signing
from chalicelib.providers import Analyzer, ChatModel, Embedder, Mailer, Reranker, Upstream
from chalicelib.wiring.clients import client, dynamodb, events, sqs, ssm, stepfunctions
from chalicelib.wiring.configuration import doubt_settings as doubt_settings
from chalicelib.wiring.configuration import renew_settings as renew_settings
from chalicelib.wiring.configuration import settings as settings
from chalicelib.wiring.configuration import stage as stage
from chalicelib.wiring.once import forget_all as forget_all
from chalicelib.wiring.once import once
from chalicelib.wiring.reports import exporter as exporter
from chalicelib.wiring.reports import invocation as invocation
from chalicelib.wiring.reports import report_metrics as report_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.model.practice.anki_notes import Package
    from chalicelib.providers.accounts.oidc import OidcIssuer
    from chalicelib.providers.ingest.decoder import Decoder
    from chalicelib.providers.ingest.drawing_pool import DrawingPool
    from chalicelib.providers.webhooks.sender import WebhookSender
    from chalicelib.stores.accounts.rate_limits import RateLimits
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.aws.dynamodb import Presence, Tables
    from chalicelib.stores.aws.executions import Executions
    from chalicelib.stores.aws.local_copies import LocalCopies
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

MAX_DRAWN_AT_ONCE = 8
API_DATABASE_S = 4.0  # a caller is promised an answer in 5 s


@once
def database() -> "Database":
    """Return the API's database."""
    return _database(timeout_s=API_DATABASE_S)


@once
def pipeline_database() -> "Database":
    """Return the event handlers' database: nobody waits, and an index may take a while to write."""
    return _database(timeout_s=70.0)


def warm_up() -> None:
    """Load the drivers and make the clients that nearly every request needs, without a call to anybody."""
    from chalicelib.stores.accounts import rate_limits, sessions  # noqa: F401
    from chalicelib.stores.postgres import postgres  # noqa: F401

    dynamodb()
    if os.environ.get("SETTINGS_PATH"):
        ssm()


@once
def blobs() -> "Blobs":
    from chalicelib.stores.aws.blobs import Blobs

    return Blobs(client("s3"), bucket=settings().images_bucket)


@once
def local_copies() -> "LocalCopies":
    from chalicelib.stores.aws.local_copies import LocalCopies

    return LocalCopies(blobs(), max_bytes=settings().upload_max_bytes)


@once
def bus() -> "Bus":
    from chalicelib.stores.aws.bus import Bus

    return Bus(events)


@once
def queues() -> "Queues":
    from chalicelib.stores.aws.queues import Queues

    return Queues(sqs, prefix=f"collections-{settings().environment}")


@once
def executions() -> "Executions | None":
    """Return the executions of the stage's state machine for backfills, None for a stage without one."""
    from chalicelib.stores.aws.executions import Executions

    state_machine = settings().backfill_state_machine
    return Executions(stepfunctions, state_machine=state_machine) if state_machine else None


@once
def tables() -> "Tables":
    from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, SESSIONS_KEY, Tables

    return Tables(
        dynamodb(),
        {settings().sessions_table: SESSIONS_KEY, settings().rate_limits_table: RATE_LIMITS_KEY},
    )


@once
def dynamodb_presence() -> "Presence":
    from time import monotonic

    from chalicelib.stores.aws.dynamodb import Presence

    return Presence(monotonic)


@once
def sessions() -> "Sessions":
    from chalicelib.stores.accounts.sessions import Sessions

    return Sessions(dynamodb(), table=settings().sessions_table, presence=dynamodb_presence())


@once
def rate_limits() -> "RateLimits":
    from time import time_ns

    from chalicelib.stores.accounts.rate_limits import RateLimits

    return RateLimits(
        dynamodb(),
        table=settings().rate_limits_table,
        presence=dynamodb_presence(),
        clock_us=lambda: time_ns() // 1000,
    )


@once
def signing() -> Signing:
    found = settings()
    if found.session_secret is None:
        raise Misconfigured("Nobody can sign in here: set SESSION_SECRET.", code="no_session_secret")
    return Signing(
        secrets=tuple(filter(None, (found.session_secret, found.session_secret_previous))),
        issuer=found.token_issuer,
        audience=found.token_audience,
    )


@once
def links() -> Links:
    """Return the signer of links. Every stage reads them; only one that sends mail makes them (CONSOLE_URL)."""
    return Links(secrets=signing().secrets, console_url=settings().console_url or "")


@once
def mailer() -> Mailer | None:
    """Return None if no mail is sent here."""
    from pathlib import Path

    found = settings()
    if found.mail_folder is not None:
        from chalicelib.providers.accounts.mailer_folder import FolderMailer

        return FolderMailer(Path(found.mail_folder))
    if found.mail_from is not None:
        from chalicelib.providers.accounts.mailer_ses import SesMailer

        return SesMailer(client("sesv2"), sender=found.mail_from)
    return None


def require_mailer() -> Mailer:
    """Raise Forbidden where no mail is sent."""
    found = mailer()
    if found is None:
        raise Forbidden("No mail is sent here; ask the operator for a link.", code="no_mail")
    return found


@once
def oidc() -> "OidcIssuer | None":
    from chalicelib.providers.accounts.oidc import OidcIssuer

    issuer, audience = settings().oidc_issuer, settings().oidc_audience
    return OidcIssuer(issuer=issuer, audience=audience) if issuer and audience else None


@once
def deck_reader() -> "Callable[[str], Package]":
    """Return the function that reads an Anki package from a local file."""
    from chalicelib.providers.practice.apkg_reader import read_package

    return read_package


@once
def decoder() -> "Decoder":
    """Return the event handlers'."""
    return _decoder()


@once
def drawing_pool() -> "DrawingPool":
    """Return the API's: as many decoders as half of the machine's memory has room for. In Lambda that is one."""
    from chalicelib.providers.ingest.drawing_pool import DrawingPool

    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = memory_bytes // 2 // settings().decoder_memory_bytes
    return DrawingPool(_decoder, size=max(1, min(size, MAX_DRAWN_AT_ONCE)))


@once
def analyzer() -> Analyzer:
    from chalicelib.wiring.models import make_analyzer

    return make_analyzer(settings(), doubt_settings)


@once
def chat_model() -> ChatModel | None:
    """Return None if answers are made of quotes."""
    if not settings().models.chats:
        return None
    from chalicelib.wiring.models import make_chat

    return make_chat(settings(), doubt_settings)


def judge() -> ChatModel | None:
    """Return the chat model if it is to judge answers."""
    return chat_model() if settings().models.judges_answers else None


@once
def embedder() -> Embedder:
    from chalicelib.wiring.models import make_embedder

    return make_embedder(settings(), doubt_settings)


@once
def reranker() -> Reranker | None:
    """Return None if search keeps the order it has."""
    if not settings().models.rerankers:
        return None
    from chalicelib.wiring.models import make_reranker

    return make_reranker(settings(), doubt_settings)


@once
def upstreams() -> dict[str, Upstream]:
    """Return the services behind the gateway, by name."""
    from chalicelib.wiring.gateway import make_upstreams

    return make_upstreams(settings())


@once
def webhook_sender() -> "WebhookSender":
    from chalicelib.providers.http.dial import AddressRules
    from chalicelib.providers.webhooks.sender import WebhookSender

    return WebhookSender(AddressRules(allow_loopback=settings().environment == "local"))


def storage_origins() -> tuple[str, ...]:
    """Return the origins that the browser uploads to and fetches thumbnails from."""
    found = settings()
    if found.aws_endpoint_url:
        return (found.aws_endpoint_url.rstrip("/"),)
    hosts = ("s3.amazonaws.com", f"s3.{found.aws_region}.amazonaws.com")
    return tuple(f"https://{found.images_bucket}.{host}" for host in hosts)


def _decoder() -> "Decoder":
    from chalicelib.model.ingest.files import FileLimits
    from chalicelib.providers.ingest.decoder import Decoder

    limits = FileLimits(max_bytes=settings().upload_max_bytes, memory_bytes=settings().decoder_memory_bytes)
    return Decoder(limits=limits)


def _database(*, timeout_s: float) -> "Database":
    from chalicelib.stores.postgres.postgres import Database

    return Database(settings().database_url, max_size=settings().database_pool_size, timeout_s=timeout_s)
