"""Runs that fill the next generation: out of time, cancelled, without a model, and what an operator is told."""

import pytest

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.events import handlers
from chalicelib.ops.search import reembed
from tests.support.next_model import MODEL, Moving


def test_it_goes_on_where_its_time_ran_out(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "BATCH", 4)
    moving.configure()
    moving.begin()
    handlers.minute_passed()
    monkeypatch.setattr(reembed, "RESERVE_S", 1000.0)
    moving.world.step()
    assert moving.vectors()[MODEL] == 0
    monkeypatch.setattr(reembed, "RESERVE_S", 5.0)
    moving.world.wait()
    assert len(set(moving.vectors().values())) == 1


def test_a_cancelled_run_embeds_no_more(moving: Moving) -> None:
    moving.configure()
    run_id = moving.begin()
    handlers.minute_passed()
    moving.world.sql(f"UPDATE tasks SET state = 'cancelled' WHERE run_id = '{run_id}'")
    moving.world.run()
    assert moving.vectors()[MODEL] == 0


def test_what_an_operator_is_told(moving: Moving) -> None:
    for name in ("estimate-reembed", "reembed"):
        with pytest.raises(InvalidInput, match="NEXT_EMBEDDING_MODEL"):
            moving.command(name)
    for name in ("promote", "rollback"):
        with pytest.raises(Conflict):
            moving.command(name)
    assert moving.command("generations").startswith("1 live: text test-embedding 64, live since ")


def test_a_run_whose_model_is_no_longer_configured_waits(moving: Moving) -> None:
    moving.configure()
    run_id = moving.begin()
    moving.configure(None)
    handlers.minute_passed()
    moving.world.run()
    found = moving.world.sql(f"SELECT state, error_code, attempt FROM tasks WHERE run_id = '{run_id}'")
    assert found == [("ready", "no_embedder", 0)]


def test_ndcg_is_the_textbooks() -> None:
    assert reembed.ndcg(["a", "b"], ["a"]) == 1.0
    assert reembed.ndcg(["b", "a"], ["a"]) == pytest.approx(0.6309, abs=1e-4)
    assert reembed.ndcg(["c", "a", "b"], ["a", "b"]) == pytest.approx(0.6934, abs=1e-4)
    assert reembed.ndcg([], ["a"]) == 0.0
