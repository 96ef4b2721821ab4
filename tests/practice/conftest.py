"""A document about bicycle chains that exercises are made from."""

import pytest

from tests.support.talking import Talk, document

PAGES = (
    "A bicycle chain wears out after about 3000 kilometres of riding in rain.\n"
    "Mechanics measure the wear of a chain with a gauge between two rivets.\n"
    "A worn chain damages the sprockets of the cassette within a season.\n"
    "Riders clean the links with a brush and degrease the rollers with paraffin.",
    "1. Shift to the smallest sprocket\n2. Open the quick link with pliers\n3. Pull the old chain out\n"
    "4. Thread the new chain through the derailleur",
)
CHAIN = document(*PAGES)


@pytest.fixture
def learner(talk: Talk) -> Talk:
    talk.world.ingest("alice/chain.pdf", CHAIN)
    return talk
