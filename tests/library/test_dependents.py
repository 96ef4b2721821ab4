"""Dependents of an item, and what remains after its deletion."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_api import Api
from tests.support.world import World, jpeg

PDF = (Path(__file__).parents[2] / "samples" / "balcony-tomatoes.pdf").read_bytes()
PATH = "/api/v1/items/guide/dependents"
# What a user has said and was told stays; a citation of what is gone is stale.
STAYING = {"citations", "messages"}


def cite(world: World, *, title: str, answers: int, user: str = "alice", item_id: str = "guide") -> None:
    """A conversation with so many answers, each of which quotes the item twice."""
    world.sql(
        f"WITH talk AS (INSERT INTO conversations (user_id, id, title) VALUES ('{user}', gen_random_uuid(), '{title}')"
        "  RETURNING user_id, id),"
        " asked AS (INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content)"
        "  SELECT user_id, gen_random_uuid(), id, 1, 'user', 'How often to water?' FROM talk),"
        " answer AS (INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content, item_ids)"
        f"  SELECT user_id, gen_random_uuid(), id, 1 + n, 'assistant', 'Daily.', '{{{item_id}}}'"
        f"  FROM talk, generate_series(1, {answers}) n RETURNING user_id, id)"
        " INSERT INTO citations (user_id, message_id, ordinal, item_id, item_name, source, page, quote,"
        "                        page_start, page_end, answer_start, answer_end)"
        f" SELECT user_id, id, n, '{item_id}', 'g.pdf', 'text', 1, 'water', 0, 5, 0, 6"
        " FROM answer, generate_series(1, 2) n"
    )


@pytest.fixture
def guide(world: World) -> None:
    world.ingest("alice/guide.pdf", PDF)


def test_an_item_shows_what_leans_on_it(world: World, api: Api, guide: None) -> None:
    for name in ("Kitchen", "balcony"):
        _, made, _ = api("POST", "/api/v1/collections", {"name": name})
        api("POST", f"/api/v1/collections/{made['id']}/items", {"item_ids": ["guide"]})
    api("POST", "/api/v1/collections", {"name": "Empty"})
    cite(world, title="Plants", answers=3)
    cite(world, title="", answers=1)
    cite(world, title="Other", answers=1, item_id="other")
    status, found, _ = api("GET", PATH)
    assert (status, found["item_id"]) == (200, "guide")
    assert [each["name"] for each in found["collections"]["first"]] == ["balcony", "Kitchen"]
    assert found["collections"]["count"] == 2
    said = {each["name"]: each["answers"] for each in found["conversations"]["first"]}
    assert (said, found["conversations"]["count"]) == ({"Plants": 3, "How often to water?": 1}, 2)
    (counts,) = world.sql("SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM pages)")
    assert found["derived"] == {"chunks": counts[0], "vectors": counts[0], "pages": counts[1], "analyses": 1}
    assert counts[0] > 0


def test_however_much_leans_on_it_few_are_shown_and_all_counted(world: World, api: Api, guide: None) -> None:
    world.sql(
        "INSERT INTO collections (user_id, id, name)"
        " SELECT 'alice', gen_random_uuid(), 'c' || n FROM generate_series(1, 30) n;"
        "INSERT INTO collection_items (user_id, collection_id, item_id)"
        " SELECT 'alice', id, 'guide' FROM collections"
    )
    for number in range(21):
        cite(world, title=f"t{number}", answers=1)
    found = api("GET", PATH)[1]
    shown = {
        part: (found[part]["count"], len(found[part]["first"])) for part in ("collections", "conversations")
    }
    assert shown == {"collections": (30, 20), "conversations": (21, 20)}


def test_what_nobody_leans_on_and_what_is_not_there(world: World, api: Api) -> None:
    world.step(world.put("alice/guide.jpg", jpeg()))
    found = api("GET", PATH)[1]
    assert found["collections"] == found["conversations"] == {"count": 0, "first": []}
    assert api("GET", "/api/v1/items/never-was/dependents")[0] == 404


def test_anothers_item_of_the_same_name_leans_on_nothing_here(world: World, api: Api, guide: None) -> None:
    world.ingest("bob/guide.pdf", PDF)
    cite(world, title="His", answers=1, user="bob")
    assert api("GET", PATH)[1]["conversations"]["count"] == 0


def rows_that_tell_of(world: World, *words: str) -> dict[str, list[Any]]:
    """Return the rows of every table that have one of these words."""
    tables = world.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found: dict[str, list[Any]] = {}
    for (table,) in tables:
        for (row,) in world.sql(f"SELECT to_jsonb(t) FROM {table} t"):
            if any(word in json.dumps(row) for word in words):
                found.setdefault(table, []).append(row)
    return found


def test_a_deleted_item_leaves_nothing_but_stale_citations(world: World, api: Api, guide: None) -> None:
    _, made, _ = api("POST", "/api/v1/collections", {"name": "Garden"})
    api("POST", f"/api/v1/collections/{made['id']}/items", {"item_ids": ["guide"]})
    cite(world, title="Plants", answers=1)
    item = world.item("guide")
    words = ("guide", item["sha256"], item["title"])
    before = rows_that_tell_of(world, *words)
    assert {"items", "uploads", "chunks", "tasks", "analyses", "collection_items", "item_events"} <= set(
        before
    )

    assert api("DELETE", "/api/v1/items/guide")[0] == 204
    left = rows_that_tell_of(world, *words)
    assert {table: left[table] for table in left} == {table: before[table] for table in STAYING}
    for table in ("vectors", "postings", "term_df", "pages", "object_deletions"):
        assert world.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert world.sql("SELECT pages, total_length FROM corpus_stats") == [(0, 0)]
    assert world.objects() == []
    assert api("GET", f"/api/v1/collections/{made['id']}")[1]["item_count"] == 0
