"""A stand-in of the models' vendors, and the app with keys of them."""

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from tests.support.model_server import ModelServer, model_server
from tests.support.talking import Talk
from tests.support.vendors import DIMENSIONS, bag_of_words, variables, written


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value = lambda asked: {"question": "Is it so?"}
        yield server


@pytest.fixture
def hosted(talk: Talk, server: ModelServer) -> Talk:
    """The app as deployed with keys of Anthropic and Voyage."""
    server.value, server.vector = written, bag_of_words
    for name, value in variables("anthropic and voyage", server.url, "sk-of-the-tests").items():
        talk.monkeypatch.setenv(name, value)
    talk.monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
    wiring.forget_all()
    return talk
