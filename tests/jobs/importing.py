"""Export what a user has, import it again, and compare."""

import json
from typing import Any

import pytest

from chalicelib import wiring
from tests.jobs.test_exports import download
from tests.practice.conftest import CHAIN
from tests.support.running import Runner

CONCEPT = {"concept_id": "wear of a bicycle chain", "student_id": "student-1", "student_interests": ["opera"]}
CONCEPT |= {"life_category": "career", "difficulty": "basic", "kind": "cloze"}
# What an import makes anew: places in this bucket and this database, and when the item became ready here.
OWN = (
    *("user_id", "owner", "id", "chunk_id", "set_id", "key", "etag", "thumbnail_key", "preview_key"),
    *("updated_at", "ready_at", "added_at"),
)
SORTED_BY_ID = {"items": "id", "collections": "id", "conversations": "id", "messages": "id", "concepts": "id"}


def be(runner: Runner, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("ANONYMOUS_USER", user)
    wiring.settings.forget()


def practise(runner: Runner) -> None:
    """Alice has an exercise, an answer that was wrong, and what helps with it."""
    runner.world.ingest("alice/chain.pdf", CHAIN)
    made = runner("POST", "/api/exercise/generate", CONCEPT)[1]["exercise"]
    answer = {"exercise_id": made["exercise_id"], "student_id": "student-1", "response_text": "a wrong one"}
    graded = runner("POST", "/api/exercise/evaluate", answer)[1]["evaluation"]
    helped = runner("POST", "/api/exercise/remediate", {"evaluation_id": graded["evaluation_id"]})
    assert helped[0] == 200, helped


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
    own = set(OWN) - ({"id"} if table in SORTED_BY_ID else set())
    kept = [{name: value for name, value in row.items() if name not in own} for (row,) in found]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def hits(runner: Runner, query: str) -> list[tuple[Any, ...]]:
    status, found = runner("POST", "/api/v1/search", {"query": query, "limit": 20})
    assert status == 200, found
    return [(hit["item_id"], hit["page"], round(hit["score"], 6), hit["snippet"]) for hit in found["data"]]
