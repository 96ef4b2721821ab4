"""Uses of jobs, exercises, reviews and webhooks that together call every route of them."""

import json
import random

from deploy.policies import ROOT
from tests.support.distributed_map import StateMachine
from tests.support.library_api import send_part, upload
from tests.support.recording import Recorded
from tests.support.running import zipped
from tests.support.world import jpeg

PDF = (ROOT / "samples" / "balcony-tomatoes.pdf").read_bytes()


def pdf(name: str) -> bytes:
    """Return the same document in other bytes."""
    return PDF + f"\n% {name}\n".encode()


def use_exercises(world: Recorded) -> None:
    """An exercise that is answered wrongly, remediated, reported and deleted with its concept."""
    new = {"concept_id": "watering tomatoes", "student_id": "s"}
    exercise = json.loads(world.request("POST", "/api/exercise/generate", new))["exercise"]
    one = {"exercise_id": exercise["exercise_id"]}
    answer = one | {"student_id": "s", "response_text": "nothing"}
    evaluation = json.loads(world.request("POST", "/api/exercise/evaluate", answer))["evaluation"]
    gap = {"evaluation_id": evaluation["evaluation_id"]}
    world.request("POST", "/api/exercise/remediate", gap)
    for part in ("", "/evaluations"):
        world.request("GET", "/api/v1/exercises/{exercise_id}" + part, **one)
    world.request("GET", "/api/v1/exercises/{exercise_id}/hints/{n}", n="1", **one)
    world.request("PATCH", "/api/v1/exercises/{exercise_id}", {"retired": True}, **one)
    world.request("DELETE", "/api/v1/exercises/{exercise_id}", **one)
    for path in ("/api/v1/exercises", "/api/v1/concepts"):
        world.request("GET", path)
    for method in ("GET", "DELETE"):
        world.request(method, "/api/v1/concepts/{concept_id}", concept_id=exercise["concept_id"])


def use_reviews(world: Recorded) -> None:
    """A deck is filled, reviewed, written for Anki, emptied and deleted."""
    new = {"concept_id": "watering tomatoes", "student_id": "t"}
    made = json.loads(world.request("POST", "/api/exercise/generate", new))["exercise"]
    exercise = {"exercise_id": made["exercise_id"]}
    one = {"deck_id": json.loads(world.request("POST", "/api/v1/decks", {"name": "d"}))["id"]}
    held = "/api/v1/decks/{deck_id}/exercises"
    world.request("POST", held, {"exercise_ids": [exercise["exercise_id"]]}, **one)
    for path in ("/api/v1/decks", "/api/v1/decks/{deck_id}", held):
        world.request("GET", path, **one)
    world.request("POST", "/api/v1/reviews", exercise | {"rating": 3})
    for part in ("due", "forecast", "streak", "settings", "log"):
        world.request("GET", f"/api/v1/reviews/{part}")
    world.request("PATCH", "/api/v1/reviews/settings", {"new_a_day": 10})
    log = {"Content-Type": "application/x-ndjson"}
    world.request("POST", "/api/v1/reviews/log", b'{"exercise_id": "none"}', headers=log)
    kinds = ({"kind": "anki_export", "parameters": one}, {"kind": "plan_reviews"})
    for kind in kinds:
        job = {"job_id": json.loads(world.request("POST", "/api/v1/jobs", {"name": "j", **kind}))["id"]}
        world.request("POST", "/api/v1/runs", job)
    world.run()
    world.request("PATCH", "/api/v1/decks/{deck_id}", {"name": "e"}, **one)
    world.request("DELETE", held + "/{exercise_id}", **one, **exercise)
    world.request("DELETE", "/api/v1/decks/{deck_id}", **one)


def use_jobs(world: Recorded) -> None:
    """A zip whose run ends, is retried and read; runs in parts, cancelled and completed; one whose file is gone."""
    job = {
        "job_id": json.loads(world.request("POST", "/api/v1/jobs", {"name": "j", "description": "d"}))["id"]
    }
    world.request("GET", "/api/v1/jobs")
    world.request("GET", "/api/v1/jobs/{job_id}", **job)
    world.request("PATCH", "/api/v1/jobs/{job_id}", {"name": "k"}, **job)
    one, runs = "/api/v1/runs/{run_id}", []
    for _ in range(4):
        runs.append({"run_id": json.loads(world.request("POST", "/api/v1/runs", job))["id"]})
    archive = zipped(
        [("a.jpg", jpeg("navy")), ("b.pdf", b"torn"), ("large.pdf", random.Random(1).randbytes(9_000_000))]
    )
    place = json.loads(world.request("GET", one + "/upload-url", **runs[0]))
    upload(place, archive)
    world.run(world.event_of(place["key"], len(archive)))
    world.request("PATCH", one, {"max_cost_usd": 1}, **runs[1])
    in_parts = [
        json.loads(world.request("GET", one + "/upload-url", query="?parts=1", **run)) for run in runs[1:3]
    ]
    world.request("POST", one + "/cancel", **runs[1])
    etag = send_part(in_parts[1]["parts"][0]["url"], pdf("in parts"))
    world.request("POST", one + "/upload-complete", {"parts": [{"number": 1, "etag": etag}]}, **runs[2])
    world.run(world.event_of(in_parts[1]["key"], 9))
    place = json.loads(world.request("GET", one + "/upload-url", **runs[3]))
    gone = world.put(place["key"], jpeg("olive"))
    world.remove(place["key"])
    world.run(gone)
    for _ in range(2):
        world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job' AND state = 'ready'"
        )
        world.invoke("relay", {})
        world.run()
    for part in ("/items", "/errors"):
        world.request("GET", one + part, **runs[0])
    world.request("GET", one + "/files/{name}", name="errors.jsonl", **runs[0])
    world.request("POST", one + "/retry", **runs[0])
    world.request("POST", "/api/v1/runs/retry", {"filter": job})
    world.request("POST", "/api/v1/runs/cancel", {"filter": job})
    world.run()
    world.request("DELETE", "/api/v1/jobs/{job_id}", **job)


def use_backfill(world: Recorded) -> None:
    """A run whose objects the state machine lists, cancelled after the first batch."""
    machine = StateMachine(world)
    world.put("alice/old/photo.jpg", jpeg("teal"))
    job = {"name": "b", "kind": "backfill", "parameters": {"prefix": "old/"}}
    made = {"job_id": json.loads(world.request("POST", "/api/v1/jobs", job))["id"]}
    run = {"run_id": json.loads(world.request("POST", "/api/v1/runs", made))["id"]}
    world.run()
    for batch in machine.batches(run["run_id"]):
        world.deliver(batch)
    world.request("POST", "/api/v1/runs/{run_id}/cancel", **run)
    world.run()
    assert machine.status(run["run_id"]) == "ABORTED"


def use_webhooks(world: Recorded) -> None:
    """One that nobody listens to, with a test that is sent twice."""
    one, new = "/api/v1/webhooks/{webhook_id}", {"url": "http://127.0.0.1:9/", "events": ["run.failed"]}
    hook = {"webhook_id": json.loads(world.request("POST", "/api/v1/webhooks", new))["id"]}
    world.request("GET", "/api/v1/webhooks")
    world.request("GET", one, **hook)
    world.request("POST", one + "/secret", {}, **hook)
    sent = json.loads(world.request("POST", one + "/test", **hook))["id"]
    world.run()
    world.request("GET", one + "/deliveries", **hook)
    world.request("POST", one + "/deliveries/{delivery_id}/redeliver", delivery_id=sent, **hook)
    world.request("POST", one + "/deliveries/redeliver", {"filter": {"event": "webhook.test"}}, **hook)
    world.request("PATCH", one, {"description": "mine"}, **hook)
    world.request("DELETE", one, **hook)
