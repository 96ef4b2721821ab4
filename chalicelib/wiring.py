"""One place of assembly: what is made once a process, and nothing is made before it is asked for.

The only module that imports heavy libraries, and it does so inside functions: a request that
needs no database never loads its driver.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

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


@cache
def settings() -> Settings:
    """The settings; the first call also starts the logs."""
    found = Settings.from_env(os.environ)
    logs.configure(found.log_level)
    return found


@cache
def database() -> "Database":
    from chalicelib.stores.postgres import Database

    return Database(settings().database_url, max_size=settings().database_pool_size)


@cache
def blobs() -> "Blobs":
    from chalicelib.stores.blobs import Blobs

    return Blobs(_client("s3"), bucket=settings().images_bucket)


@cache
def bus() -> "Bus":
    from chalicelib.stores.bus import Bus

    return Bus(_client("events"))


@cache
def tables() -> "Tables":
    from chalicelib.stores.dynamodb import Tables

    return Tables(_client("dynamodb"))


@cache
def decoder() -> "Decoder":
    from chalicelib.model.files import FileLimits
    from chalicelib.providers.decoder import Decoder

    return Decoder(limits=FileLimits(max_bytes=settings().upload_max_bytes))


@cache
def analyzer() -> Analyzer:
    from chalicelib.providers.analyzer_http import HttpAnalyzer

    url = settings().analyzer_url
    if url is None:
        raise Misconfigured("No analyzer is configured: set ANALYZER_URL.", code="no_analyzer")
    return HttpAnalyzer(base_url=url, api_key=None)


@cache
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


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # Path-style and SigV4 presigning work on AWS and on the emulator alike.
    config = Config(
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 3},
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path"} if settings().aws_endpoint_url else None,
    )
    return boto3.client(service, config=config)
