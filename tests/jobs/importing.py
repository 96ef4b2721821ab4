"""Export what a user has, import it again, and compare."""

import json
from typing import Any

import pytest

from chalicelib import wiring
from tests.jobs.test_exports import download
from tests.practice.conftest import CHAIN
from tests.support.running import Runner
from tests.support.world import jpeg

CONCEPT = {"concept_id": "wear of a bicycle chain", "student_id": "student-1", "student_interests": ["opera"]}
CONCEPT |= {"life_category": "career", "difficulty": "basic", "kind": "cloze"}
# What an import makes anew: places in this bucket and this database, and when the item became ready here.
OWN = (
    *("user_id", "owner", "id", "chunk_id", "set_id", "key", "etag", "thumbnail_key", "preview_key"),
    *("updated_at", "ready_at"),
)
HAVE_IDS = ("items", "collections", "conversations", "messages", "concepts", "exercises", "reviews", "decks")


def be(runner: Runner, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("ANONYMOUS_USER", user)
    wiring.settings.forget()


def practise(runner: Runner) -> None:
    """Alice has an exercise, an answer that was wrong, what helps with it, a deck, reviews and settings of her own.

    A photo of hers has a vector of what it shows.
    """
    runner.world.providers.pictures = {"shown.jpg": [0.6, 0.8, 0.0]}
    runner.world.ingest("alice/shown.jpg", jpeg("green"))
    runner.world.ingest("alice/chain.pdf", CHAIN)
    made = runner("POST", "/api/exercise/generate", CONCEPT)[1]["exercise"]
    answer = {"exercise_id": made["exercise_id"], "student_id": "student-1", "response_text": "a wrong one"}
    graded = runner("POST", "/api/exercise/evaluate", answer)[1]["evaluation"]
    helped = runner("POST", "/api/exercise/remediate", {"evaluation_id": graded["evaluation_id"]})
    assert helped[0] == 200, helped
    settings = {"desired_retention": 0.85, "new_a_day": 7}
    assert runner("PATCH", "/api/v1/reviews/settings", settings)[0] == 200
    _, deck = runner("POST", "/api/v1/decks", {"name": "Chains"})
    ids = {"exercise_ids": [made["exercise_id"]]}
    assert runner("POST", f"/api/v1/decks/{deck['id']}/exercises", ids)[0] == 200
    for rating in (2, 3):
        review = {"exercise_id": made["exercise_id"], "rating": rating, "duration_ms": 1500}
        assert runner("POST", "/api/v1/reviews", review)[0] == 201


def export(runner: Runner) -> bytes:
    run_id = runner.begin(kind="export")
    runner.settle()
    archive = download(runner, runner.run(run_id))
    assert archive.fp is not None
    archive.fp.seek(0)
    return archive.fp.read()


def give(runner: Runner, body: bytes) -> dict[str, Any]:
    """Import the zip; return the run when it has ended."""
    run_id = runner.begin(kind="import")
    runner.give(run_id, body, filename="export.zip")
    return runner.run(run_id)


def rows(runner: Runner, user: str, table: str) -> list[dict[str, Any]]:
    """All rows of a user, without what is of this place."""
    owned = "user_id = '{0}'" if table != "vectors" else "owner = (SELECT number FROM users WHERE id = '{0}')"
    found = runner.world.sql(f"SELECT to_jsonb(t) FROM {table} t WHERE {owned.format(user)}")
    own = set(OWN) - ({"id"} if table in HAVE_IDS else set())
    own |= {"added_at"} if table == "collection_items" else set()
    kept = [{name: value for name, value in row.items() if name not in own} for (row,) in found]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def hits(runner: Runner, query: str) -> list[tuple[Any, ...]]:
    status, found = runner("POST", "/api/v1/search", {"query": query, "limit": 20})
    assert status == 200, found
    return [(hit["item_id"], hit["page"], round(hit["score"], 6), hit["snippet"]) for hit in found["data"]]
