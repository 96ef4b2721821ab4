"""Long generation as a run: exercises by steps, with progress, cancel and an end when there are no more."""

from typing import Any

from msgspec.structs import replace

from chalicelib import wiring
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.practice.exercise_steps import exercise_steps
from chalicelib.stores.jobs import runs
from tests.support.talking import Talk

GENERATE = "/api/exercise/generate"


def begin(learner: Talk, **more: Any) -> str:
    reply = learner("POST", GENERATE, {"student_id": "s", "item_ids": ["chain"], "count": 11, **more})
    assert reply.status == 202 and reply.headers["Location"].startswith("/api/v1/runs/"), reply
    return str(reply.body["id"])


def read(learner: Talk, run_id: str) -> dict[str, Any]:
    body: dict[str, Any] = learner("GET", f"/api/v1/runs/{run_id}").body
    return body


def test_a_run_makes_many_and_skips_what_it_does_not_find(learner: Talk) -> None:
    run_id = begin(learner)
    learner.world.run()
    run = read(learner, run_id)
    made = learner("GET", "/api/v1/exercises?limit=100").body["data"]
    assert run["state"] == "succeeded" and len(made) >= 5
    assert len({each["content"] for each in made}) == len(made)
    counts = run["counts"]
    assert (counts["total"], counts["done"], counts["skipped"]) == (11, len(made), 11 - len(made))


def test_a_step_that_is_taken_again_makes_no_second_ones(learner: Talk) -> None:
    """A worker that is cut off behind its exercises has written no progress: the next one takes the same step."""
    run_id = begin(learner)
    db, embedder = wiring.pipeline_database(), wiring.embedder()
    run = db.transact("alice", lambda tx: runs.get(tx, "alice", run_id))
    given = {"user_id": "alice", "task_id": run.task_id, "kind": "job", "token": "t", "attempt": 1}
    claim = Claim(**given, item_id=None, run_id=run_id, input=None)
    steps = exercise_steps(db=db, models_of=lambda *_: (embedder, None))
    for _ in range(2):
        steps.step(claim, replace(run, total=11), True)
        assert learner.world.sql("SELECT count(*) FROM exercises") == [(5,)]


def test_a_run_that_is_cancelled_makes_nothing(learner: Talk) -> None:
    run_id = begin(learner)
    assert learner("POST", f"/api/v1/runs/{run_id}/cancel").status == 200
    learner.world.run()
    assert read(learner, run_id)["state"] == "cancelled"
    assert learner("GET", "/api/v1/exercises").body["data"] == []


def test_a_run_without_anything_to_ask_about_fails(learner: Talk) -> None:
    run_id = begin(learner, concept_id="quantum chromodynamics")
    learner.world.run()
    run = read(learner, run_id)
    assert run["state"] == "failed" and run["counts"]["failed"] == 11
