"""One place of assembly: what is made once a process, and nothing is made before it is asked for.

The only module that imports heavy libraries, and it does so inside functions: a request that
needs no database never loads its driver.
"""

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chalicelib import logs
from chalicelib.errors import Misconfigured
from chalicelib.providers import Analyzer, Embedder
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.providers.decoder import Decoder
    from chalicelib.stores.blobs import Blobs
    from chalicelib.stores.bus import Bus
    from chalicelib.stores.dynamodb import Tables
    from chalicelib.stores.postgres import Database


T = TypeVar("T")
_making = threading.RLock()
# (connect, read) of one attempt of two: a request waits 10 s at most, the pipeline tries again by itself.
_TIMEOUTS_S = {"s3": (2, 4), "events": (1, 3), "dynamodb": (1, 1)}


class once(Generic[T]):  # noqa: N801  used as a decorator
    """Makes its value at the first call and keeps it. functools.cache lets two threads make two pools."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []

    def __call__(self) -> T:
        with _making:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def forget(self) -> list[T]:
        """Make a new one next time; answers what there was, to be closed by the caller."""
        made, self._made = self._made, []
        return made


@once
def settings() -> Settings:
    """The settings; the first call also starts the logs."""
    found = Settings.from_env(os.environ)
    logs.configure(found.log_level)
    return found


@once
def database() -> "Database":
    """The API's: a caller is promised an answer in 5 s."""
    return _database(timeout_s=4.0)


@once
def pipeline_database() -> "Database":
    """The event handlers': nobody waits, and an index may take a while to write."""
    return _database(timeout_s=70.0)


@once
def blobs() -> "Blobs":
    from chalicelib.stores.blobs import Blobs

    return Blobs(_client("s3"), bucket=settings().images_bucket)


@once
def bus() -> "Bus":
    from chalicelib.stores.bus import Bus

    return Bus(_client("events"))


@once
def tables() -> "Tables":
    from chalicelib.stores.dynamodb import Tables

    return Tables(_client("dynamodb"))


@once
def decoder() -> "Decoder":
    from chalicelib.model.files import FileLimits
    from chalicelib.providers.decoder import Decoder

    return Decoder(limits=FileLimits(max_bytes=settings().upload_max_bytes))


@once
def analyzer() -> Analyzer:
    from chalicelib.providers.analyzer_http import HttpAnalyzer

    url = settings().analyzer_url
    if url is None:
        raise Misconfigured("No analyzer is configured: set ANALYZER_URL.", code="no_analyzer")
    return HttpAnalyzer(base_url=url, api_key=None)


@once
def embedder() -> Embedder:
    from chalicelib.providers.embedder_openai import OpenAIEmbedder

    url = settings().embeddings_url
    if url is None:
        raise Misconfigured("No embedder is configured: set EMBEDDINGS_URL.", code="no_embedder")
    return OpenAIEmbedder(
        base_url=url,
        api_key=settings().embedding_api_key,
        model=settings().embedding_model,
        dimensions=settings().embedding_dimensions,
    )


def storage_origins() -> tuple[str, ...]:
    """Where the browser uploads to and is redirected to for thumbnails, as origins."""
    found = settings()
    if found.aws_endpoint_url:
        return (found.aws_endpoint_url.rstrip("/"),)
    hosts = ("s3.amazonaws.com", f"s3.{found.aws_region}.amazonaws.com")
    return tuple(f"https://{found.images_bucket}.{host}" for host in hosts)


def _database(*, timeout_s: float) -> "Database":
    from chalicelib.stores.postgres import Database

    return Database(settings().database_url, max_size=settings().database_pool_size, timeout_s=timeout_s)


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    connect_s, read_s = _TIMEOUTS_S[service]
    # Path-style and SigV4 presigning work on AWS and on the emulator alike.
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": 2},  # "max_attempts" would be one more
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path"} if settings().aws_endpoint_url else None,
    )
    return boto3.client(service, config=config)
