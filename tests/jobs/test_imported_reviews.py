"""Decks, reviews and their settings from an export: merged with what is there, and refused when they are made up."""

import io
import json
from typing import Any

import pytest

from chalicelib.errors import BadFile
from chalicelib.model.jobs.exports import Phase
from chalicelib.ops.jobs.export_lines import line_of
from chalicelib.ops.jobs.import_rows import import_lines
from chalicelib.ops.jobs.import_zip import Lines
from chalicelib.stores.jobs import exports
from tests.practice.conftest import make_exercises
from tests.support.talking import Talk
from tests.support.world import World

PHASES: tuple[Phase, ...] = ("concepts", "review_settings", "exercises", "decks")
NOW = "2026-11-01T12:00:00+00:00"


def practise(talk: Talk) -> None:
    """Alice has settings, three exercises in a deck, and reviews of two."""
    ids = make_exercises(talk, 3)
    assert talk("PATCH", "/api/v1/reviews/settings", {"desired_retention": 0.8}).status == 200
    deck = talk("POST", "/api/v1/decks", {"name": "Chains"}).body["id"]
    assert talk("POST", f"/api/v1/decks/{deck}/exercises", {"exercise_ids": ids[::-1]}).status == 200
    for exercise in ids[:2]:
        for day in (1, 5):
            body = {"exercise_id": exercise, "rating": 3, "reviewed_at": f"2026-10-0{day}T12:00:00Z"}
            assert talk("POST", "/api/v1/reviews", body).status == 201


def exported(world: World, phase: Phase) -> list[dict[str, Any]]:
    return world.db.transact(
        "alice",
        lambda tx: [row.line for row in exports.list_rows(tx, "alice", phase, after=None, limit=100)],
    )


def put_back(world: World, phase: Phase, lines: list[dict[str, Any]], user: str = "carol") -> int:
    entry = Lines("made", io.BytesIO(b"".join(line_of(phase, line) for line in lines)))
    return world.db.transact(user, lambda tx: import_lines(tx, user, f"{phase}/000001.jsonl", entry))


def cards(world: World, user: str) -> list[tuple[Any, ...]]:
    columns = "exercise_id, review_count, round(stability::numeric, 6), due_at, planned_with"
    return world.sql(f"SELECT {columns} FROM cards WHERE user_id = '{user}' ORDER BY exercise_id")


def order(world: World, user: str) -> list[Any]:
    found = world.sql(f"SELECT exercise_id FROM deck_exercises WHERE user_id = '{user}' ORDER BY added_at")
    return [exercise for (exercise,) in found]


def test_who_has_nothing_gets_the_same_and_the_same_again_changes_nothing(talk: Talk) -> None:
    world = talk.world
    practise(talk)
    new = [put_back(world, phase, exported(world, phase)) for phase in PHASES]
    assert new[:2] == [1, 1] and min(new) > 0
    assert cards(world, "carol") == cards(world, "alice")
    assert order(world, "carol") == order(world, "alice")
    log = "SELECT id, exercise_id, rating, reviewed_at, source FROM reviews WHERE user_id = '{}' ORDER BY id"
    assert world.sql(log.format("carol")) == world.sql(log.format("alice"))
    assert [put_back(world, phase, exported(world, phase)) for phase in PHASES] == [0, 0, 0, 0]


def test_reviews_of_both_places_are_kept_and_what_is_due_is_planned_anew(talk: Talk) -> None:
    world = talk.world
    practise(talk)
    world.sql(
        "INSERT INTO users (id) VALUES ('carol');"
        "INSERT INTO review_settings (user_id, desired_retention) VALUES ('carol', 0.95);"
        "INSERT INTO decks (user_id, id, name) VALUES ('carol', gen_random_uuid(), 'CHAINS')"
    )
    for phase in PHASES:
        put_back(world, phase, exported(world, phase))
    assert world.sql("SELECT desired_retention FROM review_settings WHERE user_id = 'carol'") == [(0.95,)]
    assert world.sql("SELECT name FROM decks WHERE user_id = 'carol'") == [("CHAINS",)]
    assert order(world, "carol") == order(world, "alice")
    planned = "SELECT planned_with FROM cards WHERE user_id = 'carol' AND review_count > 0"
    assert world.sql(planned) == [(-1,), (-1,)], "her settings are others"
    ((exercise,),) = world.sql("SELECT exercise_id FROM reviews WHERE user_id = 'alice' LIMIT 1")
    world.sql(
        "UPDATE cards SET planned_with = 0 WHERE user_id = 'carol';"
        f"DELETE FROM reviews WHERE user_id = 'carol' AND exercise_id = '{exercise}' AND reviewed_at < '2026-10-03';"
        f"UPDATE cards SET review_count = 1 WHERE user_id = 'carol' AND exercise_id = '{exercise}'"
    )
    assert put_back(world, "exercises", exported(world, "exercises")) == 1, "the review that she had not"
    outdated = world.sql(
        "SELECT exercise_id, review_count FROM cards WHERE user_id = 'carol' AND planned_with = -1"
    )
    assert outdated == [(exercise, 1)], "her card stays, and is planned anew"


def test_practice_that_is_made_up_is_refused(talk: Talk) -> None:
    world = talk.world
    practise(talk)
    for phase in PHASES[:1]:
        put_back(world, phase, exported(world, phase))
    exercise = next(line for line in exported(world, "exercises") if line["reviews"])
    review, card = exercise["reviews"][0], exercise["card"]
    (settings,), (deck,) = exported(world, "review_settings"), exported(world, "decks")
    hostile: list[tuple[Phase, dict[str, Any]]] = [
        *(
            ("exercises", exercise | {"reviews": [review | change]})
            for change in (
                {"rating": 5},
                {"rating": 2.5},
                {"id": "none"},
                {"reviewed_at": "1969-01-01T00:00:00Z"},
                {"reviewed_at": "2026-10-01T00:00:00"} | {"rating": None},
                {"source": "guess"},
                {"duration_ms": -1},
            )
        ),
        ("exercises", exercise | {"reviews": [review, review]}),
        ("exercises", exercise | {"reviews": {"a": 1}}),
        *(
            ("exercises", exercise | {"card": card | change})
            for change in (
                {"stability": "Infinity"},
                {"stability": 0},
                {"difficulty": 11},
                {"due_at": None},
                {"review_count": -1},
            )
        ),
        *(
            ("review_settings", settings | change)
            for change in (
                {"parameters": [1.0]},
                {"parameters": ["NaN"] * 21},
                {"desired_retention": 1},
                {"version": 2**40},
            )
        ),
        *(
            ("decks", deck | change)
            for change in (
                {"name": ""},
                {"name": "x" * 101},
                {"exercises": [{"id": "x"}]},
                {"exercises": None},
                {"id": 7},
            )
        ),
    ]
    for phase, line in hostile:
        with pytest.raises(BadFile) as refused:
            put_back(world, phase, [json.loads(json.dumps(line))])
        assert refused.value.code == "bad_line", (phase, line)
    assert world.sql("SELECT count(*) FROM exercises WHERE user_id = 'carol'") == [(0,)]
    ids = {"id": exercise["id"], "created_at": exercise["created_at"], "added_at": NOW}
    assert put_back(world, "decks", [deck | {"exercises": [ids], "user_id": "alice"}]) == 1
    assert order(world, "carol") == [], "an exercise that is not here is left out"
