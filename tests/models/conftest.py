"""Fixtures of the tests of models."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.model_provider import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
