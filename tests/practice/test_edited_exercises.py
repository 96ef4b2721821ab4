"""Exercises that are retired or edited, or whose source has changed."""

from typing import get_args

from chalicelib.model.practice.gate import Reason
from chalicelib.ops.practice.edit import MENDS
from tests.practice.generating import GENERATE, REMEDIATE, SPOOL, answer, generate
from tests.support.talking import Talk, document


def test_a_changed_source_makes_its_exercises_stale(learner: Talk) -> None:
    exercise = generate(learner)
    wrong = answer(learner, exercise, "no idea")
    place = f"/api/v1/exercises/{exercise['exercise_id']}"
    assert learner("GET", place).body["metadata"]["stale"] is False
    learner.world.ingest("alice/chain.pdf", document("The page is about something else now."))
    assert learner("GET", place).body["metadata"]["stale"] is True
    refused = learner("POST", REMEDIATE, {"evaluation_id": wrong["evaluation"]["evaluation_id"]})
    assert (refused.status, refused.body["code"]) == (409, "stale")
    assert learner("POST", GENERATE, SPOOL).status == 404  # neither the cached one nor a new one


def test_a_retired_exercise_does_not_come_back_as_a_near_copy(learner: Talk) -> None:
    quotes = []
    while (reply := learner("POST", GENERATE, {**SPOOL, "kind": "cloze"})).status == 200:
        exercise = reply.body["exercise"]
        quotes.append(exercise["metadata"]["citation"]["quote"])
        learner("PATCH", f"/api/v1/exercises/{exercise['exercise_id']}", {"retired": True})
    assert len(quotes) == len(set(quotes)) >= 3 and "near_duplicate" in reply.body["detail"]
    other_words = learner("POST", GENERATE, {**SPOOL, "concept_id": "chains of bicycles", "kind": "cloze"})
    assert other_words.status == 404


def test_an_edited_exercise_passes_the_gate_again(learner: Talk) -> None:
    exercise = generate(learner, kind="cloze")
    place, key = f"/api/v1/exercises/{exercise['exercise_id']}", exercise["expected_steps"][0]
    gap = exercise["metadata"]["question"].removeprefix("Complete the sentence: ")
    edited = learner("PATCH", place, {"question": f"Fill the gap: {gap}", "hints": ["Look at page 1."]}).body
    assert edited["content"].startswith("Fill the gap: ") and edited["hints"] == ["Look at page 1."]
    assert edited["metadata"]["edited_at"] and edited["expected_steps"] == [key]
    faults = [
        ({"key": "elephant"}, "key"),
        ({"question": f"Is it {key}? {gap}"}, "question"),
        ({"question": "No gap at all."}, "question"),
        ({"question": f"{gap} See evil.example in 1999."}, "question"),
        ({"hints": [f"It is {key}."]}, "hints"),
    ]
    for change, field in faults:
        refused = learner("PATCH", place, change)
        assert (refused.status, refused.body["code"], refused.body["field"]) == (400, "refused", field), (
            change
        )
    assert learner("GET", place).body == edited
    learner.world.ingest("alice/chain.pdf", document("The page is about something else now."))
    stale = learner("PATCH", place, {"question": f"Again: {gap}"})
    assert (stale.status, stale.body["code"]) == (409, "stale")
    assert learner("PATCH", place, {"report": "its page has changed"}).status == 200


def test_an_edited_answer_in_free_words_must_be_proved_by_the_quote(learner: Talk) -> None:
    exercise = generate(learner, kind="short_answer")
    place = f"/api/v1/exercises/{exercise['exercise_id']}"
    quote = exercise["metadata"]["citation"]["quote"]
    faults = [
        ({"key": "asdf qwer"}, "key"),
        ({"key": "elephants fly over blue mountains"}, "key"),
        ({"key": "Der Elefant ist auf dem Mond"}, "key"),
        ({"question": "Who sings zarzuela in Madrid?"}, "question"),
        ({"key": "asdf qwer", "question": f"What does this say: {quote}"}, "key"),
        ({"hints": []}, "hints"),
    ]
    for change, field in faults:
        refused = learner("PATCH", place, change)
        assert (refused.status, refused.body["field"]) == (400, field), (change, refused)
    assert learner("GET", place).body == exercise
    key = f"{exercise['expected_steps'][0]}, as a rule"
    assert learner("PATCH", place, {"key": key}).body["expected_steps"] == [key]


def test_every_reason_of_the_gate_says_what_to_do(learner: Talk) -> None:
    assert set(MENDS) == set(get_args(Reason))
