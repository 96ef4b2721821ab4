"""boto3's clients kept from test to test: making those of one test takes 25 ms of CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import boto3
import pytest

from chalicelib import wiring
from chalicelib.wiring import clients

_make = clients.client


@contextmanager
def kept_clients() -> Iterator[None]:
    """Let wiring use the clients that earlier tests made of the same session, under the same variables of AWS.

    A test that registers a hook with such a client unregisters it again.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        for place in (clients, wiring):
            monkeypatch.setattr(place, "client", _client)
        yield


def _client(service: str) -> Any:
    variables = frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))
    return _kept(service, variables, boto3.DEFAULT_SESSION)


@lru_cache(maxsize=16)  # few tests have an endpoint of their own, and nobody asks for theirs again
def _kept(service: str, _variables: frozenset[tuple[str, str]], _session: boto3.Session | None) -> Any:
    return _make(service)
