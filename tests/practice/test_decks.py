"""Decks over the API: named, filled, listed, emptied, deleted; what becomes due by it."""

from tests.practice.conftest import make_exercises
from tests.support.talking import Talk

DECKS = "/api/v1/decks"


def test_a_deck_is_made_renamed_filled_and_deleted(talk: Talk) -> None:
    ids = make_exercises(talk, 5)
    made = talk("POST", DECKS, {"name": "  Chains "}, idempotency_key="k")
    again = talk("POST", DECKS, {"name": "  Chains "}, idempotency_key="k")
    assert (made.status, made.body["name"], again.body) == (201, "Chains", made.body)
    deck = f"{DECKS}/{made.body['id']}"
    taken = talk("POST", DECKS, {"name": "cHAINS"})
    assert (taken.status, taken.body["code"], taken.body["field"]) == (409, "name_taken", "name")
    for _ in range(2):
        filled = talk("POST", f"{deck}/exercises", {"exercise_ids": ids[::-1]})
        assert (filled.status, filled.body["exercise_count"]) == (200, 5)
    listed, cursor = [], ""
    while cursor is not None:
        page = talk("GET", f"{deck}/exercises?limit=2{cursor}").body
        listed += [each["exercise_id"] for each in page["data"]]
        cursor = f"&after={page['next']}" if page["has_more"] else None
    assert listed == ids[::-1]
    assert talk("DELETE", f"{deck}/exercises/{ids[0]}").status == 204
    assert talk("DELETE", f"{deck}/exercises/{ids[0]}").status == 404
    assert talk("PATCH", deck, {"name": "Wear"}).body["name"] == "Wear"
    assert [each["exercise_count"] for each in talk("GET", DECKS).body["data"]] == [4]
    assert talk("DELETE", deck).status == 204 and talk("GET", deck).status == 404
    assert talk("GET", f"/api/v1/exercises/{ids[1]}").status == 200
    assert talk.world.sql("SELECT count(*) FROM cards") == [(0,)], "no review, no deck: nothing is due"


def test_all_exercises_are_put_in_or_none(talk: Talk) -> None:
    (mine,), (theirs,) = make_exercises(talk, 1), make_exercises(talk, 1, user="bob")
    deck = f"{DECKS}/{talk('POST', DECKS, {'name': 'd'}).body['id']}"
    for wrong in (theirs, "nonsense", "00000000-0000-4000-8000-000000000000"):
        reply = talk("POST", f"{deck}/exercises", {"exercise_ids": [mine, wrong]})
        assert (reply.status, reply.body["field"]) == (404, "exercise_ids"), wrong
        assert wrong in reply.body["detail"] and mine not in reply.body["detail"]
    assert talk("GET", deck).body["exercise_count"] == 0


def test_new_exercises_become_due_some_each_day(talk: Talk) -> None:
    ids = make_exercises(talk, 7)
    talk("PATCH", "/api/v1/reviews/settings", {"new_a_day": 3})
    for name, part in (("one", ids[:4]), ("two", ids[2:])):
        deck = talk("POST", DECKS, {"name": name}).body["id"]
        talk("POST", f"{DECKS}/{deck}/exercises", {"exercise_ids": part})
    ahead = talk("GET", "/api/v1/reviews/forecast?days=4").body
    assert ([each["due"] for each in ahead["days"]], ahead["overdue"]) == ([3, 3, 1, 0], 0)
    of_two = talk("GET", f"/api/v1/reviews/forecast?days=4&deck_id={deck}").body
    assert [each["due"] for each in of_two["days"]] == [1, 3, 1, 0]
    due = talk("GET", "/api/v1/reviews/due").body["data"]
    assert {each["exercise"]["exercise_id"] for each in due} == set(ids[:3])
    assert due[0]["card"]["state"] == "new" and due[0]["card"]["stability"] is None
