"""POST /api/v1/search: modes, filters, facets, folded copies, what a score is made of; and similar items."""

import itertools
from typing import Any

import pytest

import app
from chalicelib.model.library.items import ItemRef
from chalicelib.stores.search import index
from tests.support.library_api import Api
from tests.support.long_pdf import make_long_pdf
from tests.support.world import World, jpeg

SEARCH = "/api/v1/search"
ALL = {"include_weaker": True}  # the tests' embedder has no meaning that relevance could be told by
PICTURES = ("thumbnail", "page", "page_image")
TERMS = "The tenant pays the rent on the third working day of each month\nto the landlords account without charges"
GARDEN = "Tomatoes are watered each morning at the root and tied to sticks\nwhen they flower in the second week of June"


def find(api: Api, body: dict[str, Any]) -> list[str]:
    status, answer, _ = api("POST", SEARCH, {**ALL, **body})
    assert status == 200, answer
    return [hit["item_id"] for hit in answer["data"]]


@pytest.fixture
def documents(world: World) -> None:
    world.ingest("alice/garden.pdf", make_long_pdf([GARDEN, "Potatoes and beans need no sticks at all"]))
    world.ingest("alice/lease.pdf", make_long_pdf(["A lease of rooms", TERMS]))
    world.ingest("alice/ripe-tomatoes.jpg", jpeg())


def test_each_mode_ranks_by_its_own_list(documents: None, world: World, api: Api) -> None:
    body = {**ALL, "query": "tomatoes", "explain": True}
    for mode, lists in {"hybrid": (True, True), "lexical": (True, False), "semantic": (False, True)}.items():
        before = len(world.providers.embedded)
        hits = api("POST", SEARCH, {**body, "mode": mode})[1]["data"]
        assert {hits[0]["item_id"], hits[1]["item_id"]} == {"garden", "ripe-tomatoes"}, mode
        why = hits[0]["explain"]
        assert (why["lexical_rank"] is not None, why["semantic_rank"] is not None) == lists, mode
        assert why["semantic_weight"] == {"hybrid": 0.55, "lexical": 0.0, "semantic": 1.0}[mode]
        assert len(world.providers.embedded) - before == (mode != "lexical")


def test_a_hit_has_the_pictures_of_its_own_page(documents: None, api: Api) -> None:
    found = api("POST", SEARCH, {**ALL, "query": "tenant pays rent tomatoes", "mode": "lexical"})[1]["data"]
    hits = {hit["item_id"]: hit for hit in found}
    shown = {name: [hit[f"{what}_url"] for what in PICTURES] for name, hit in hits.items()}
    first, second = "/api/v1/documents/garden/pages/1", "/api/v1/documents/lease/pages/2"
    spans = {name: f"{hit['char_start']}-{hit['char_end']}" for name, hit in hits.items()}
    assert shown == {
        "garden": ["/api/v1/items/garden/thumbnail", first, f"{first}/image?highlight={spans['garden']}"],
        "lease": [f"{second}/thumbnail", second, f"{second}/image?highlight={spans['lease']}"],
        "ripe-tomatoes": ["/api/v1/items/ripe-tomatoes/thumbnail", None, None],
    }


def test_a_score_is_the_sum_of_its_explained_parts(documents: None, api: Api) -> None:
    hits = api("POST", SEARCH, {**ALL, "query": "rent of the tenant in June", "explain": True})[1]["data"]
    assert len(hits) == 3
    for hit in hits:
        why = hit["explain"]
        assert hit["score"] == why["lexical_part"] + why["semantic_part"]
        assert (why["language"], why["rerank_score"]) == ("en", None)
    coverage = {hit["item_id"]: hit["explain"]["coverage"] for hit in hits}
    assert coverage["lease"] > coverage["garden"] > 0
    assert coverage["ripe-tomatoes"] is None


def test_all_of_the_words_is_full_coverage_and_unknown_words_lower_it(documents: None, api: Api) -> None:
    def coverage(query: str) -> float:
        hit = api("POST", SEARCH, {**ALL, "query": query, "mode": "lexical", "explain": True})[1]["data"][0]
        return hit["explain"]["coverage"]

    assert coverage("rent tenant") == 1.0
    assert 0.2 < coverage("rent zeppelin") < 0.5


def test_by_meaning_alone_needs_the_embedder_and_by_words_does_not(
    documents: None, world: World, api: Api
) -> None:
    world.providers.fail_with = [503]
    assert api("POST", SEARCH, {"query": "tomatoes", "mode": "semantic"})[0] == 503
    world.providers.fail_with = [503]
    status, answer, _ = api("POST", SEARCH, {"query": "tomatoes", "mode": "lexical"})
    assert (status, answer["missing"], len(answer["data"])) == (200, [], 2)
    assert world.providers.fail_with == [503]


def test_pages_bound_what_is_found(documents: None, api: Api) -> None:
    def pages(wanted: dict[str, int], mode: str) -> set[tuple[str, int | None]]:
        body = {**ALL, "query": "tenant stick", "mode": mode, "filters": {"pages": wanted}}
        return {(hit["item_id"], hit["page"]) for hit in api("POST", SEARCH, body)[1]["data"]}

    for mode in ("lexical", "hybrid", "semantic"):
        assert pages({"from": 2}, mode) == {("garden", 2), ("lease", 2)}, mode
        assert ("lease", 2) not in pages({"to": 1}, mode), mode
    assert ("garden", 1) in pages({"to": 1}, "lexical")
    assert pages({"from": 3, "to": 9}, "hybrid") == set()


def test_a_collection_bounds_what_is_found(documents: None, api: Api) -> None:
    collection = api("POST", "/api/v1/collections", {"name": "House"})[1]["id"]
    bounded = {"query": "tomatoes rent", "filters": {"collection_id": collection}}
    assert find(api, bounded) == []
    api("POST", f"/api/v1/collections/{collection}/items", {"item_ids": ["lease"]})
    for mode in ("lexical", "hybrid", "semantic"):
        assert find(api, {**bounded, "mode": mode}) == ["lease"], mode
    assert find(api, {"item_id": "garden", "filters": {"collection_id": collection}}) == ["lease"]


@pytest.mark.parametrize("collection", ["9f2d6c1e-0000-4000-8000-000000000000", "House", "'; --", "{}"])
def test_an_unknown_collection_is_named(world: World, api: Api, collection: str) -> None:
    world.ingest("alice/a.jpg", jpeg())
    for wanted in ({"query": "a"}, {"item_id": "a"}):
        status, problem, _ = api("POST", SEARCH, {**wanted, "filters": {"collection_id": collection}})
        assert (status, problem["field"]) == (404, "filters.collection_id")


def test_facets_count_all_that_matched(documents: None, world: World, api: Api) -> None:
    collection = api("POST", "/api/v1/collections", {"name": "House"})[1]["id"]
    api("POST", f"/api/v1/collections/{collection}/items", {"item_ids": ["lease", "garden"]})
    world.sql("UPDATE items SET created_at = '2025-12-31T23:30:00-01:00' WHERE id = 'lease'")
    world.sql("UPDATE items SET created_at = '2025-12-31T12:00:00Z' WHERE id <> 'lease'")
    answer = api("POST", SEARCH, {**ALL, "query": "tomatoes", "facets": True, "limit": 1})[1]
    assert len(answer["data"]) == 1
    facets = {
        name: [(each["value"], each["name"], each["count"]) for each in values]
        for name, values in answer["facets"].items()
    }
    assert facets == {
        "kind": [("pdf", None, 2), ("image", None, 1)],
        "tag": [("test label", None, 3)],
        "collection": [(collection, "House", 2)],
        "month": [("2025-12", None, 2), ("2026-01", None, 1)],
    }
    assert api("POST", SEARCH, {"query": "tomatoes"})[1]["facets"] is None
    assert api("POST", SEARCH, {"item_id": "garden", "facets": True})[1]["facets"]["kind"] != []


def test_copies_are_folded_into_the_first_and_named(world: World, api: Api) -> None:
    for name, text in {"a": TERMS, "b": f"{TERMS}\nSigned", "c": GARDEN, "d": TERMS.upper()}.items():
        world.ingest(f"alice/{name}.pdf", make_long_pdf([text]))
    hits = api("POST", SEARCH, {**ALL, "query": "rent of the tenant"})[1]["data"]
    assert [sorted([hit["item_id"], *hit["duplicates"]]) for hit in hits] == [["a", "b", "d"], ["c"]]


def test_copies_leave_room_for_what_comes_after_them(world: World, api: Api) -> None:
    for number in range(8):
        world.ingest(f"alice/copy-{number}.pdf", make_long_pdf([f"{TERMS} {'x' * number}"]))
    for number in range(3):
        world.ingest(f"alice/photo-{number}.jpg", jpeg(size=(60 + number, 40)))
    hits = api("POST", SEARCH, {**ALL, "query": "rent of the tenant", "limit": 3})[1]["data"]
    assert [len(hit["duplicates"]) for hit in hits] == [7, 0, 0]
    assert {hit["kind"] for hit in hits[1:]} == {"image"}


def test_pictures_are_never_folded_nor_is_what_differs_in_a_figure(world: World, api: Api) -> None:
    for rent in (700, 750):
        world.ingest(f"alice/{rent}.pdf", make_long_pdf([f"{TERMS}, {rent} euros"]))
        world.ingest(f"alice/{rent}.jpg", jpeg(size=(rent // 10, 40)))
    said = "It shows a red field, all of one colour, from edge to edge, and nothing else."
    world.sql(f"UPDATE chunks SET text = '{said}' WHERE source = 'caption'")
    hits = api("POST", SEARCH, {**ALL, "query": "rent red field"})[1]["data"]
    assert len(hits) == 4
    assert all(hit["duplicates"] == [] for hit in hits)


def test_a_pictures_text_is_shown_before_what_is_said_about_it(world: World, api: Api) -> None:
    world.providers.texts["wheel.jpg"] = "Test label: it shows the repair of a wheel"
    for name in ("wheel", "bare wheel"):
        world.ingest(f"alice/{name}.jpg", jpeg(size=(40, 40 + len(name))))
    ((caption,),) = world.sql("SELECT text FROM chunks WHERE source = 'caption' AND item_id = 'wheel'")
    for query, shown in (
        (caption, {"wheel": "ocr", "bare wheel": "caption"}),
        ("photo", {"wheel": "caption"}),
    ):
        hits = api("POST", SEARCH, {**ALL, "query": query})[1]["data"]  # as near to the caption as can be
        assert {hit["item_id"]: hit["source"] for hit in hits}.items() >= shown.items()


def test_similar_items_come_nearest_first_without_the_item_itself(documents: None, api: Api) -> None:
    status, answer, _ = api("GET", "/api/v1/items/ripe-tomatoes/similar")
    assert (status, answer["object"], answer["facets"]) == (200, "list", None)
    scores = [hit["score"] for hit in answer["data"]]
    assert sorted(hit["item_id"] for hit in answer["data"]) == ["garden", "lease"]
    assert scores == sorted(scores, reverse=True)
    assert len(api("GET", "/api/v1/items/ripe-tomatoes/similar?limit=1")[1]["data"]) == 1
    assert api("GET", "/api/v1/items/garden/similar?kind=image")[1]["data"][0]["item_id"] == "ripe-tomatoes"
    for path in ("/api/v1/items/nothing/similar", "/api/v1/items/garden/similar?kind=film"):
        assert api("GET", path)[0] in (400, 404)


def test_all_ways_to_search_count_as_costly(
    documents: None, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app, "edge", app.edge)
    for answer in (api("GET", "/api/v1/items/garden/similar"), api("POST", SEARCH, {"query": "rent"})):
        assert '"costly-burst"' in answer[2]["RateLimit-Policy"]


def test_what_is_like_an_item_without_vectors_cannot_be_told(world: World, api: Api) -> None:
    world.ingest("alice/photo.jpg", jpeg())
    world.step(world.put("alice/garden.pdf", make_long_pdf([GARDEN])))
    for answer in (api("GET", "/api/v1/items/garden/similar"), api("POST", SEARCH, {"item_id": "garden"})):
        assert (answer[0], answer[1]["data"], answer[1]["missing"]) == (200, [], ["semantic"])
    status, problem, _ = api("POST", SEARCH, {"item_id": "nothing"})
    assert (status, problem["field"]) == (404, "item_id")


@pytest.mark.parametrize("query", ["2021", "10", "Customer", "string"])
def test_what_postgres_would_misread_is_found(world: World, api: Api, query: str) -> None:
    world.ingest(
        "alice/seasons.pdf",
        make_long_pdf(["Season 2020-2021, 5\u201310 degrees", "List<Customer> of <string>"]),
    )
    assert find(api, {"query": query, "mode": "lexical"}) == ["seasons"]


def test_what_is_written_without_spaces_is_shown_where_it_was_found(world: World, api: Api) -> None:
    world.ingest("alice/tokyo.pdf", make_long_pdf([" ".join(f"word{n}" for n in range(300))]))
    world.ingest("alice/京都の庭園.jpg", jpeg())
    ((last,),) = world.sql("SELECT max(id) FROM chunks WHERE item_id = 'tokyo'")
    world.sql(f"UPDATE chunks SET text = '今日は京都の庭園に行きました' WHERE id = {last}")
    world.sql("DELETE FROM pages WHERE item_id = 'tokyo'")
    world.db.transact("alice", lambda tx: index.add_item(tx, ItemRef(user_id="alice", item_id="tokyo")))
    hits = api("POST", SEARCH, {"query": "京都の庭", "mode": "lexical"})[1]["data"]
    assert {(hit["item_id"], hit["chunk_id"] == last) for hit in hits} == {
        ("tokyo", True),
        ("京都の庭園", False),
    }
    for hit in hits:
        assert [hit["snippet"][a:b] for a, b in hit["highlights"]] == ["京都の庭"]


@pytest.mark.parametrize("text", ["Cafe\u0301", "CAF\u00c9"])
def test_letters_are_found_however_their_accents_are_written(world: World, api: Api, text: str) -> None:
    world.ingest(f"alice/{text} menu.jpg", jpeg())
    for query in ("caf\u00e9", "cafe\u0301"):
        assert len(find(api, {"query": query, "mode": "lexical"})) == 1, query


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "a", "mode": "psychic"}, "mode"),
        ({"item_id": "a", "mode": "lexical"}, "mode"),
        ({"query": "a", "filters": {"pages": {"from": 3, "to": 2}}}, "filters.pages.to"),
        ({"query": "a", "filters": {"pages": {"from": 0}}}, "filters.pages.from"),
        ({"query": "a", "filters": {"pages": {"first": 1}}}, "filters.pages.first"),
        ({"query": "a", "filters": {"collection_id": ""}}, "filters.collection_id"),
        ({"query": "a", "facets": "yes"}, "facets"),
        ({"query": "a" * 2001}, "query"),
        ({"query": "\u2003\n\t "}, "query"),
    ],
)
def test_a_wrong_request_is_refused_by_field(api: Api, body: dict[str, Any], field: str) -> None:
    status, problem, _ = api("POST", SEARCH, body)
    assert (status, problem["field"]) == (400, field)


def test_strange_queries_are_answered(documents: None, api: Api) -> None:
    strange = [
        "the of and",
        "!!! ??? ...",
        "tomatoes " * 222,
        "'; DROP TABLE items; --",
        "a & b | !c <-> d:*",
    ]
    for query, mode in itertools.product([*strange, "\ue000x\ue001"], ["hybrid", "lexical", "semantic"]):
        body = {"query": query, "mode": mode, "explain": True, "facets": True}
        status, answer, _ = api("POST", SEARCH, body)
        assert status == 200, (query, mode)
        assert all(0 <= hit["score"] <= 1 for hit in answer["data"]), (query, mode)
