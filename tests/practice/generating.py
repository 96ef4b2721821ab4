"""Have exercises made and answered over the API."""

from typing import Any

from tests.support.talking import Talk

GENERATE, EVALUATE, REMEDIATE = (f"/api/exercise/{name}" for name in ("generate", "evaluate", "remediate"))
SPOOL = {
    "concept_id": "wear of a bicycle chain",
    "student_id": "student-1",
    "student_interests": ["mechanics", "opera"],
    "life_category": "career",
    "difficulty": "basic",
}


def generate(learner: Talk, **more: Any) -> dict[str, Any]:
    reply = learner("POST", GENERATE, {**SPOOL, **more})
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.body["exercise"]
    return found


def answer(learner: Talk, exercise: dict[str, Any], text: str) -> dict[str, Any]:
    body = {"exercise_id": exercise["exercise_id"], "student_id": "student-1", "response_text": text}
    reply = learner("POST", EVALUATE, body)
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.body
    return found
