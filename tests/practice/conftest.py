"""A document about bicycle chains that exercises are made from."""

from random import Random

import fsrs_rs_python as library
import pytest

from tests.support.talking import Talk, document

PAGES = (
    "A bicycle chain wears out after about 3000 kilometres of riding in rain.\n"
    "Mechanics measure the wear of a chain with a gauge between two rivets.\n"
    "A worn chain damages the sprockets of the cassette within a season of 20 weeks.\n"
    "Careful people are early with a new chain because a worn chain costs more.\n"
    "Riders clean the links with a brush and degrease the rollers with paraffin from Shimano.",
    "1. Shift to the smallest sprocket\n2. Open the quick link with pliers\n3. Pull the old chain out\n"
    "4. Thread the new chain through the derailleur",
)
CHAIN = document(*PAGES)
NAMES = ("again", "hard", "good", "easy")
RARE_FORGETTER = [*library.DEFAULT_PARAMETERS[:2], 30.0, 60.0, *library.DEFAULT_PARAMETERS[4:]]


@pytest.fixture
def learner(talk: Talk) -> Talk:
    talk.world.ingest("alice/chain.pdf", CHAIN)
    return talk


NEW_CONCEPT = (
    "INSERT INTO concepts (user_id, id, phrase) VALUES ('{0}', gen_random_uuid(), '{0}s chains') RETURNING id"
)
NEW_EXERCISE = """INSERT INTO exercises (user_id, id, concept_id, student_id, type, kind, difficulty, life_category,
    question, answer_key, options, hints, personalization, item_id, item_name, source, page, quote, page_start,
    page_end, request_sha256)
    SELECT '{0}', gen_random_uuid(), '{1}', 's', 'initial', 'short_answer', 'basic', 'personal', 'Question ' || n,
           'Answer ' || n, '{{}}', '{{}}', '', 'gone', 'gone.pdf', 'text', 1, 'Answer ' || n, 0, 8, 'x'
    FROM generate_series(1, {2}) n RETURNING id"""


def make_exercises(talk: Talk, count: int, *, user: str = "alice") -> list[str]:
    """Return the ids of exercises that were never asked, made without a document."""
    world = talk.world
    world.sql(f"INSERT INTO users (id) VALUES ('{user}') ON CONFLICT DO NOTHING")
    concept = world.sql(NEW_CONCEPT.format(user))[0][0]
    return [str(row[0]) for row in world.sql(NEW_EXERCISE.format(user, concept, count))]


def learn(parameters: list[float], *, cards: int, seed: int) -> list[list[tuple[int, int]]]:
    """Return the histories of a learner whose memory follows these parameters."""
    scheduler, chance = library.FSRS(parameters), Random(seed)
    factor = 0.9 ** (-1 / parameters[20]) - 1
    histories = []
    for _ in range(cards):
        day = chance.randint(0, 200)
        history = [(day, 3)]
        memory = scheduler.next_states(None, 0.9, 0).good.memory
        for _ in range(5):
            days = chance.choice((1, 2, 4, 8, 16))
            recalled = (1 + factor * days / memory.stability) ** -parameters[20]
            rating = 3 if chance.random() < recalled else 1
            memory = getattr(scheduler.next_states(memory, 0.9, days), NAMES[rating - 1]).memory
            day += days
            history.append((day, rating))
        histories.append(history)
    return histories
