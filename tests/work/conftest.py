"""Fixtures of the tests of the work engine."""

import pytest

from tests.support.obedient_model import TRUE
from tests.support.talking import Talk, document


@pytest.fixture
def place(talk: Talk) -> str:
    """A conversation of alice, who has a document."""
    talk.world.ingest("alice/orders.pdf", document(TRUE))
    return talk.begin()
