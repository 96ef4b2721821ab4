"""Fixtures of the tests of models."""

import threading
from collections.abc import Iterator

import pytest

from tests.models.written import VALUE
from tests.support.model_provider import Provider
from tests.support.model_server import ModelServer, model_server


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value = lambda asked: VALUE
        yield server
