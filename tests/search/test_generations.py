"""The index is moved to another model: beside the live one, whole, under load, through crashes, and back."""

import re
import threading
from time import sleep
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.errors import CollectionsError, Conflict
from chalicelib.events import handlers
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.ops.search import reembed
from chalicelib.ops.search.passages import find_passages
from chalicelib.ops.search.search import SearchResult, search_items
from tests.support.next_model import MODEL, WORDS, Moving
from tests.support.talking import Talk, document


def find(query: str, user: str = "alice", mode: Any = "semantic") -> SearchResult:
    return search_items(
        user,
        query,
        filters=Filters(),
        cut=Cut(limit=5, include_weaker=True),
        mode=mode,
        db=wiring.database(),
        embedder=wiring.embedder(),
    )


def first(query: str, user: str = "alice", mode: Any = "semantic") -> str:
    found = find(query, user, mode)
    assert found.missing == () and found.hits, (query, found)
    return found.hits[0].passage.item_id


def fill(moving: Moving) -> dict[str, Any]:
    """Fill the next set to the end; return the run's output."""
    run_id = moving.begin()
    handlers.minute_passed()
    moving.world.run()
    ((state, output),) = moving.world.sql(f"SELECT state, output FROM tasks WHERE run_id = '{run_id}'")
    assert state == "done"
    result: dict[str, Any] = output
    return result


def test_a_set_is_filled_compared_promoted_and_rolled_back(moving: Moving) -> None:
    before = moving.vectors()["test-embedding"]
    moving.configure()
    assert moving.command("estimate-reembed") == (
        f"{before} chunks of 2 users, about {chars(moving) // 4} tokens, with next-embedding (32):"
        " no list price is known"
    )
    output = fill(moving)
    assert moving.vectors() == {"test-embedding": before, MODEL: before}
    compared = output["compared"]
    assert compared["queries"] == 16 and 0.5 < compared["overlap_at_10"] <= 1.0
    assert moving.command("generations").split("\n")[1].startswith("2 building: text next-embedding 32")
    assert first("apple house") == "apple"
    assert moving.command("promote") == "generation 2 is live"
    assert first("apple house") == "apple" and live(moving) == MODEL
    assert moving.command("rollback") == "generation 1 is live again"
    assert first("apple house") == "apple" and live(moving) == "test-embedding"
    assert moving.command("rollback") == "generation 2 is live again"
    moving.swap()
    assert first("apple house") == "apple"
    moving.configure(None)
    assert first("apple house") == "apple"
    assert re.fullmatch(r"test-embedding \(\d+\): [\d,]+ bytes are free", moving.command("drop-retired"))
    assert moving.vectors() == {"test-embedding": 0, MODEL: before} and first("apple house") == "apple"
    assert moving.command("drop-retired") == "no generation is retired"
    with pytest.raises(Conflict, match="no earlier generation"):
        moving.command("rollback")


def live(moving: Moving) -> str:
    ((model,),) = moving.world.sql(
        "SELECT s.model FROM generations g JOIN generation_sets m ON m.generation_id = g.id"
        " JOIN embedding_sets s ON s.id = m.set_id AND s.state = 'live' WHERE g.state = 'live'"
    )
    return str(model)


def chars(moving: Moving) -> int:
    return int(moving.world.sql("SELECT sum(length(text)) FROM chunks")[0][0])


def test_searches_under_promotions_neither_fail_nor_mix_generations(moving: Moving) -> None:
    """Threads search while generations are promoted and rolled back. Each answer is the one or the other's, whole."""
    moving.configure()
    fill(moving)
    old = {word: seen(word) for word in WORDS}
    moving.command("promote")
    new = {word: seen(word) for word in WORDS}
    assert old != new, "else nothing would be shown"
    wrong: list[Any] = []
    counts = [0] * 3
    stop = threading.Event()

    def search(place: int) -> None:
        while not stop.is_set():
            word = WORDS[counts[place] % len(WORDS)]
            try:
                found = seen(word)
                if not all(
                    part in (before, after)
                    for part, before, after in zip(found, old[word], new[word], strict=True)
                ):
                    wrong.append(found)
            except (CollectionsError, psycopg2.Error) as error:
                wrong.append(error)
            counts[place] += 1

    threads = [threading.Thread(target=search, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        moving.command("rollback")
        sleep(0.01)
    while min(counts) < 5 and not wrong:
        sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def seen(word: str) -> tuple[Any, Any]:
    """Return what a search shows of the vectors, and what the passages for an answer do."""
    found = find(f"{word} house", mode="hybrid")
    passages = find_passages(
        "bob", word, filters=Filters(), max_tokens=100, db=wiring.database(), embedder=wiring.embedder()
    )
    hits = [(hit.passage.item_id, round(hit.rank.semantic_score or 0, 6)) for hit in found.hits]
    quoted = [(passage.item_id, round(passage.semantic_score or 0, 6)) for passage in passages.passages]
    return (hits, found.missing), (quoted, passages.missing)


def test_new_items_land_in_both_sets_while_both_models_are_configured(moving: Moving) -> None:
    moving.configure()
    fill(moving)
    moving.world.ingest("alice/island.pdf", document("The island of alice is by the island house."))
    assert len(set(moving.vectors().values())) == 1
    moving.command("promote")
    assert first("island house") == "island"
    moving.command("rollback")
    assert first("island house") == "island"


def test_a_stack_whose_model_is_changed_finds_all_before_during_and_after(moving: Moving) -> None:
    """From today's index, as the release before left it: one live set, and no word of generations."""
    for mode in ("semantic", "hybrid", "lexical"):
        assert first("candle house", mode=mode) == "candle"
        moving.configure()
        assert first("candle house", mode=mode) == "candle"
        fill(moving)
        assert first("candle house", mode=mode) == "candle"
        moving.configure(None)
    moving.configure()
    moving.command("promote")
    for mode in ("semantic", "hybrid", "lexical"):
        assert first("candle house", "bob", mode) == "candle"


def test_a_generation_is_promoted_whole(moving: Moving) -> None:
    """Sets of other kinds come along; no moment has a set of one generation beside one of the other."""
    moving.world.sql(
        "INSERT INTO embedding_sets (model, dimensions, state, kind) VALUES ('seer', 8, 'live', 'picture');"
        "INSERT INTO generation_sets SELECT 1, 'picture', id FROM embedding_sets WHERE model = 'seer'"
    )
    moving.configure()
    fill(moving)
    moving.world.sql(
        "INSERT INTO embedding_sets (model, dimensions, state, kind) VALUES ('seer-2', 8, 'building', 'picture');"
        "UPDATE generation_sets SET set_id = (SELECT id FROM embedding_sets WHERE model = 'seer-2')"
        " WHERE generation_id = 2 AND kind = 'picture'"
    )
    live = "SELECT array_agg(model ORDER BY kind) FROM embedding_sets WHERE state = 'live'"
    assert moving.world.sql(live) == [(["seer", "test-embedding"],)]
    moving.command("promote")
    assert moving.world.sql(live) == [(["seer-2", MODEL],)]
    moving.command("rollback")
    assert moving.world.sql(live) == [(["seer", "test-embedding"],)]


def test_users_questions_are_judgements(moving: Moving) -> None:
    """The pages that an answer cites are the relevant ones of its question."""
    moving.world.sql(
        "INSERT INTO conversations (user_id, id) VALUES ('alice', gen_random_uuid());"
        "INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content, question)"
        " SELECT 'alice', gen_random_uuid(), id, 2, 'assistant', 'x', 'guitar house' FROM conversations;"
        "INSERT INTO citations (user_id, message_id, ordinal, item_id, item_name, source, page, quote, page_start,"
        " page_end, answer_start, answer_end)"
        " SELECT 'alice', id, 1, 'guitar', 'g', 'text', 1, 'q', 0, 1, 0, 1 FROM messages"
    )
    moving.configure()
    compared = fill(moving)["compared"]
    assert compared["judged"] == 1 and compared["ndcg_at_10_live"] == 1.0 >= compared["ndcg_at_10_next"] > 0


def test_an_administrator_moves_the_index_by_a_job(moving: Moving, talk: Talk) -> None:
    made = {"name": "move", "kind": "reembed"}
    job = talk("POST", "/api/v1/jobs", made)
    assert job.status == 201, job
    unset = talk("POST", "/api/v1/runs", {"job_id": job.body["id"]}).body["id"]
    moving.world.run()
    ended = talk("GET", f"/api/v1/runs/{unset}").body
    assert (ended["state"], ended["error"]["code"]) == ("failed", "no_next_embedder")
    moving.configure()
    run = talk("POST", "/api/v1/runs", {"job_id": job.body["id"]}).body["id"]
    moving.world.run()
    ended = talk("GET", f"/api/v1/runs/{run}").body
    assert (ended["state"], ended["comparison"]["queries"]) == ("succeeded", 16)
    assert len(set(moving.vectors().values())) == 1
    assert moving.command("promote") == "generation 2 is live" and first("apple house") == "apple"


def test_a_crash_in_the_middle_costs_nothing_twice(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "BATCH", 3)
    moving.configure()
    moving.begin()
    handlers.minute_passed()
    (message,) = moving.world.messages()
    moving.world.providers.embedded.clear()
    moving.world.sql(
        "CREATE SEQUENCE kept; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('kept') > 7 THEN RAISE EXCEPTION 'killed'; END IF; RETURN NEW; END $$;"
        "GRANT USAGE ON SEQUENCE kept TO PUBLIC;"
        "CREATE TRIGGER die BEFORE INSERT ON vectors FOR EACH ROW EXECUTE FUNCTION die()"
    )
    with pytest.raises(Exception, match="killed"):
        moving.world.deliver(message)
    assert moving.vectors()[MODEL] == 6
    with pytest.raises(Conflict) as refused:
        moving.command("promote")
    assert refused.value.code == "generation_incomplete" and first("apple house") == "apple"
    moving.world.sql("DROP TRIGGER die ON vectors")
    moving.world.wait()
    assert len(set(moving.vectors().values())) == 1
    compared = 2 * 16  # queries, by both models
    assert len(moving.world.providers.embedded) <= moving.vectors()[MODEL] + 3 + compared, (
        "one batch more than once"
    )
    assert moving.command("promote") == "generation 2 is live"
