"""Collections: named sets of items, each user's own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from chalicelib import errors
from chalicelib.ops.library import collections
from tests.support.library_api import Api
from tests.support.processes import wait_until
from tests.support.world import World, jpeg

PATH = "/api/v1/collections"


def make(api: Api, name: str = "Garden", **more: Any) -> dict[str, Any]:
    status, made, headers = api("POST", PATH, {"name": name, **more})
    assert (status, headers["Location"]) == (201, f"{PATH}/{made['id']}")
    return made


def put_in(api: Api, collection: dict[str, Any], *item_ids: str) -> Any:
    return api("POST", f"{PATH}/{collection['id']}/items", {"item_ids": list(item_ids)})


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer[1]["data"]]


@pytest.fixture
def photos(world: World) -> list[str]:
    for number in range(3):
        world.ingest(f"alice/photo-{number}.jpg", jpeg(size=(60 + number, 40)))
    return ["photo-2", "photo-1", "photo-0"]


def test_make_read_change_delete(api: Api) -> None:
    made = make(api, "  Garden ", description="What grows")
    path = f"{PATH}/{made['id']}"
    assert (made["name"], made["description"], made["item_count"]) == ("Garden", "What grows", 0)
    assert api("GET", path)[1] == made
    changed = api("PATCH", path, {"name": "garden"})[1]
    assert (changed["name"], changed["description"]) == ("garden", "What grows")
    assert api("PATCH", path, {"description": ""})[1]["description"] == ""
    assert api("DELETE", path)[0] == 204
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert api(method, path, body)[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \u2003"}, "name"),
        ({"name": "\u200b\u2066"}, "name"),
        ({"name": "Gar\nden"}, "name"),
        ({"name": "Gar\u2028den"}, "name"),
        ({"name": "\ufb2c" * 34}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "description": "x" * 2001}, "description"),
        ({"name": "x", "user_id": "bob"}, "user_id"),
    ],
)
def test_what_is_wrong_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    status, problem, _ = api("POST", PATH, body)
    assert (status, problem["field"]) == (400, field)


def test_a_name_is_one_of_a_kind_however_it_is_written(world: World, api: Api) -> None:
    made = make(api, "Cafe\u0301 \U0001f468\u200d\U0001f469")
    assert made["name"] == "Caf\u00e9 \U0001f468\u200d\U0001f469"
    assert api("POST", PATH, {"name": "CAF\u00c9 \U0001f468\u200d\U0001f469"})[0] == 409


def test_a_name_is_one_of_a_kind_in_whatever_case(world: World, api: Api) -> None:
    first, second = make(api, "Garden"), make(api, "Kitchen")
    for refused in (
        api("POST", PATH, {"name": " gARDEN"}),
        api("PATCH", f"{PATH}/{second['id']}", {"name": "GARDEN"}),
    ):
        assert (refused[0], refused[1]["code"], refused[1]["field"]) == (409, "name_taken", "name")
    assert api("GET", f"{PATH}/{second['id']}")[1] == second
    assert ids(api("GET", PATH)) == [second["id"], first["id"]]
    other = collections.create_collection(
        "bob", "00000000-0000-4000-8000-000000000001", name="Garden", description="", db=world.db
    )
    assert other.name == "Garden"


def test_of_one_name_made_at_once_there_is_one(world: World) -> None:
    def create(number: int) -> str:
        collection_id = f"00000000-0000-4000-8000-{number:012}"
        try:
            collections.create_collection("alice", collection_id, name="x", description="", db=world.db)
        except errors.Conflict as refused:
            return refused.field
        return "made"

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(create, range(8)))
    assert answers == ["made"] + ["name"] * 7
    assert world.sql("SELECT count(*) FROM collections") == [(1,)]


def test_made_again_by_the_same_request_it_is_the_same_one(world: World) -> None:
    """Its answer was lost, or the commit's: the id is the request's."""
    made = [
        collections.create_collection(
            "alice", "00000000-0000-4000-8000-000000000001", name="x", description="d", db=world.db
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_they_are_listed_page_by_page(api: Api) -> None:
    made = [make(api, f"number {number}")["id"] for number in range(5)]
    seen, cursor = [], ""
    while True:
        page = api("GET", f"{PATH}?limit=2{cursor}")[1]
        seen += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&after={page['next']}"
    assert seen == made[::-1]
    assert api("GET", f"{PATH}?after=nonsense")[1]["field"] == "after"


def test_items_go_in_once_and_come_out(world: World, api: Api, photos: list[str]) -> None:
    garden = make(api)
    status, collection, _ = put_in(api, garden, "photo-1", "photo-0", "photo-1")
    assert (status, collection["item_count"]) == (200, 2)
    assert collection["updated_at"] > garden["updated_at"]
    assert put_in(api, garden, "photo-0", "photo-2")[1]["item_count"] == 3
    path = f"{PATH}/{garden['id']}/items"
    first = api("GET", f"{path}?limit=2")
    assert ids(first) == photos[:2]
    assert ids(api("GET", f"{path}?limit=2&after={first[1]['next']}")) == photos[2:]
    assert api("DELETE", f"{path}/photo-1")[0] == 204
    assert api("DELETE", f"{path}/photo-1")[0] == 404
    assert api("GET", "/api/v1/items/photo-1")[0] == 200
    assert ids(api("GET", path)) == ["photo-2", "photo-0"]


def test_unknown_items_are_named_and_none_goes_in(api: Api, photos: list[str]) -> None:
    garden = make(api)
    status, problem, _ = put_in(api, garden, "photo-0", "never-was", "nor-this")
    assert (status, problem["field"]) == (404, "item_ids")
    assert "never-was, nor-this" in problem["detail"] and "photo-0" not in problem["detail"]
    assert api("GET", f"{PATH}/{garden['id']}")[1]["item_count"] == 0
    assert put_in(api, {"id": "never-was"}, "photo-0")[0] == 404
    for wrong in ([], ["a"] * 101, [""]):
        assert put_in(api, garden, *wrong)[1]["field"].partition("[")[0] == "item_ids"


def test_a_collection_and_an_item_go_without_each_other(world: World, api: Api, photos: list[str]) -> None:
    garden, kitchen = make(api), make(api, "Kitchen")
    for each in (garden, kitchen):
        put_in(api, each, *photos)
    assert api("DELETE", "/api/v1/items/photo-0")[0] == 204
    assert api("GET", f"{PATH}/{garden['id']}")[1]["item_count"] == 2
    assert api("DELETE", f"{PATH}/{garden['id']}")[0] == 204
    assert ids(api("GET", "/api/v1/items")) == ["photo-2", "photo-1"]
    assert world.sql("SELECT count(*) FROM collection_items") == [(2,)]


def test_items_are_filtered_by_collection(api: Api, photos: list[str]) -> None:
    garden, kitchen = make(api), make(api, "Kitchen")
    put_in(api, garden, "photo-0", "photo-2")
    put_in(api, kitchen, "photo-1", "photo-2")
    found = api("GET", f"/api/v1/items?collection_id={garden['id']}&kind=image")
    assert ids(found) == ["photo-2", "photo-0"]
    for unknown in ("never-was", "00000000-0000-4000-8000-000000000000"):
        status, problem, _ = api("GET", f"/api/v1/items?collection_id={unknown}")
        assert (status, problem["field"]) == (404, "collection_id")


def test_anothers_collection_and_items_are_as_missing_as_missing_ones(world: World, api: Api) -> None:
    world.ingest("bob/his.jpg", jpeg())
    his = collections.create_collection(
        "bob", "00000000-0000-4000-8000-000000000001", name="His", description="", db=world.db
    )
    mine = make(api)
    assert put_in(api, mine, "his")[1]["field"] == "item_ids"
    assert put_in(api, {"id": his.id}, "his")[0] == 404
    for path in (f"/api/v1/items?collection_id={his.id}", f"/api/v1/documents?collection_id={his.id}"):
        assert api("GET", path)[0] == 404
    assert ids(api("GET", PATH)) == [mine["id"]]


@pytest.mark.parametrize(
    ("gone", "field"),
    [("DELETE FROM items WHERE id = 'photo-1'", "item_ids"), ("DELETE FROM collections", "")],
)
def test_what_is_deleted_at_the_same_time_is_not_found(
    world: World, photos: list[str], gone: str, field: str
) -> None:
    collection_id = "00000000-0000-4000-8000-000000000001"
    collections.create_collection("alice", collection_id, name="x", description="", db=world.db)
    other = psycopg2.connect(world.admin_url)
    with ThreadPoolExecutor(1) as threads, other.cursor() as cursor:
        cursor.execute(gone)
        adding = threads.submit(collections.add_items, "alice", collection_id, photos, db=world.db)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert wait_until(lambda: world.sql(waiting) == [(1,)])
        other.commit()
        refused = adding.exception(timeout=60)
    other.close()
    assert isinstance(refused, errors.NotFound) and refused.field == field
    assert world.sql("SELECT count(*) FROM collection_items") == [(0,)]
