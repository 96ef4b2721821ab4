"""A job of kind plan_reviews: parameters fitted to the user's own log, and cards that follow them and the settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.model.practice.memory import Fit
from chalicelib.ops.practice import review_settings
from tests.practice.conftest import RARE_FORGETTER, learn, make_exercises
from tests.support.talking import Talk

SETTINGS = "/api/v1/reviews/settings"
LOGGED = """INSERT INTO reviews (user_id, id, exercise_id, rating, reviewed_at, source)
    SELECT 'alice', gen_random_uuid(), '{0}', rating, '{1}'::timestamptz + day * interval '1 day', 'import'
    FROM unnest('{2}'::int[], '{3}'::int[]) AS log (day, rating)"""
FIRST = datetime.now(UTC).replace(hour=12) - timedelta(days=400)


def run_plan(talk: Talk) -> dict[str, Any]:
    job = talk("POST", "/api/v1/jobs", {"name": "nightly", "kind": "plan_reviews", "schedule": "0 3 * * *"})
    assert job.status == 201, job
    run = talk("POST", "/api/v1/runs", {"job_id": job.body["id"]}).body["id"]
    talk.world.run()
    found: dict[str, Any] = talk("GET", f"/api/v1/runs/{run}").body
    return found


def write_log(talk: Talk, *, cards: int) -> None:
    ids = make_exercises(talk, cards)
    statements = []
    for exercise, history in zip(ids, learn(RARE_FORGETTER, cards=cards, seed=3), strict=True):
        days, ratings = ("{" + ",".join(str(pair[n]) for pair in history) + "}" for n in (0, 1))
        statements.append(LOGGED.format(exercise, FIRST.isoformat(), days, ratings))
    talk.world.sql(
        ";".join(statements) + ";INSERT INTO cards (user_id, exercise_id, due_at, review_count, planned_with)"
        " SELECT user_id, exercise_id, max(reviewed_at), count(*), -1 FROM reviews GROUP BY 1, 2"
    )


def intervals(talk: Talk) -> dict[str, float]:
    return dict(talk.world.sql("SELECT exercise_id::text, interval_days FROM cards"))


def test_fitted_parameters_are_used_once_they_beat_the_defaults(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(talk, cards=120)
    monkeypatch.setattr(review_settings, "CARDS_AT_ONCE", 50)
    run = run_plan(talk)
    assert run["state"] == "succeeded" and run["comparison"]["reviews"] == 600
    assert run["comparison"]["log_loss_fitted"] < run["comparison"]["log_loss_default"]
    settings = talk("GET", SETTINGS).body
    assert len(settings["parameters"]) == 21 and settings["fitted_reviews"] == 600
    fitted = intervals(talk)
    before = talk.world.sql("SELECT * FROM cards ORDER BY exercise_id")
    assert run_plan(talk)["state"] == "succeeded"
    assert talk.world.sql("SELECT * FROM cards ORDER BY exercise_id") == before, (
        "done twice it changes nothing"
    )
    assert talk("PATCH", SETTINGS, {"parameters": None, "desired_retention": 0.9}).body["parameters"] is None
    assert intervals(talk) == fitted, "a card follows at its next review, or by the next run"


def test_a_changed_retention_reaches_the_cards_and_a_short_log_keeps_the_defaults(talk: Talk) -> None:
    write_log(talk, cards=20)
    assert run_plan(talk)["comparison"] is None
    usual = intervals(talk)
    talk("PATCH", SETTINGS, {"desired_retention": 0.8})
    run_plan(talk)
    assert all(days > usual[exercise] for exercise, days in intervals(talk).items())
    assert talk("GET", SETTINGS).body["parameters"] is None


def test_parameters_that_predict_worse_are_not_used(talk: Talk) -> None:
    make_exercises(talk, 1)
    worse = Fit(parameters=RARE_FORGETTER, folds=((0.4, 0.5), (0.4, 0.41)), reviews=500)
    better = Fit(parameters=RARE_FORGETTER, folds=((0.4, 0.5), (0.4, 0.2)), reviews=500)
    for fit, expected in ((worse, None), (better, RARE_FORGETTER), (worse, None)):
        talk.world.db.transact("alice", lambda tx, fit=fit: review_settings.store_fit(tx, "alice", fit))
        settings = talk("GET", SETTINGS).body
        assert settings["parameters"] == (expected and pytest.approx(expected))
        assert settings["log_loss_fitted"] == pytest.approx(fit.log_loss_fitted)
