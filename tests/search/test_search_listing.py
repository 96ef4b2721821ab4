"""A search lists relevant matches by default, hits by item or by page, and pages of the list by a cursor."""

import base64
import json
from typing import Any

import pytest
from msgspec import structs

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.model.paging import encode_json
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut, Place, decode_place, encode_place
from chalicelib.ops.search.search import search_items
from tests.support.library_api import Api
from tests.support.long_pdf import make_long_pdf
from tests.support.world import World, jpeg

SEARCH = "/api/v1/search"
PAGES = 11
NUMBERS = "one two three four five six seven eight nine ten eleven".split()  # noqa: SIM905


@pytest.fixture
def report(world: World) -> None:
    """A report whose every page names the harbour, page 7 most; a letter about it; a picture about nothing."""
    pages = [f"Chapter {word}: the harbour and its cranes" for word in NUMBERS]
    pages[6] = "The harbour dues of the harbour master, by the harbour office: harbour fees"
    world.ingest("alice/report.pdf", make_long_pdf(pages))
    world.ingest("alice/letter.pdf", make_long_pdf(["Dear harbour office, please repair the crane"]))
    world.ingest("alice/photo.jpg", jpeg())


def ask(api: Api, **body: Any) -> dict[str, Any]:
    status, answer, _ = api("POST", SEARCH, body)
    assert status == 200, answer
    return answer


def every(api: Api, **body: Any) -> list[tuple[str, int | None]]:
    """Return (item, page) of the hits on all pages of the list."""
    found, after = list[tuple[str, int | None]](), {}
    for _ in range(30):
        answer = ask(api, **body, **after)
        found += [(hit["item_id"], hit["page"]) for hit in answer["data"]]
        assert answer["has_more"] == (answer["next"] is not None)
        if not answer["has_more"]:
            return found
        assert len(answer["data"]) == body["limit"]
        after = {"after": answer["next"]}
    raise AssertionError("the list has no end")


def test_only_relevant_matches_are_found_and_the_weaker_are_counted(report: None, api: Api) -> None:
    for mode in ("hybrid", "lexical", "semantic"):
        nothing = ask(api, query="zzqx vbnm", mode=mode, facets=True)
        assert (nothing["data"], nothing["has_more"]) == ([], False), mode
        assert nothing["weaker"] == (0 if mode == "lexical" else 3), mode
        assert nothing["facets"]["kind"] == [], mode
    found = ask(api, query="harbour office", facets=True)
    assert {hit["item_id"] for hit in found["data"]} == {"report", "letter"}
    assert all(0.5 <= hit["relevance"] <= 1 for hit in found["data"])
    assert found["weaker"] == 1
    assert [(each["value"], each["count"]) for each in found["facets"]["kind"]] == [("pdf", 2)]


def test_all_matches_are_found_when_asked_each_with_its_relevance(report: None, api: Api) -> None:
    found = ask(api, query="harbour office", include_weaker=True, facets=True)
    relevance = {hit["item_id"]: hit["relevance"] for hit in found["data"]}
    assert (len(relevance), found["weaker"]) == (3, 0)
    assert relevance["photo"] < 0.5 <= min(relevance["report"], relevance["letter"])
    assert sum(each["count"] for each in found["facets"]["kind"]) == 3
    alone = ask(api, query="harbour office", include_weaker=True, filters={"item_ids": ["photo"]})
    assert alone["data"][0]["relevance"] == relevance["photo"], "does not depend on the other hits"


def test_within_one_document_each_page_is_a_hit(report: None, api: Api) -> None:
    one = {"item_ids": ["report"]}
    pages = ask(api, query="harbour", filters=one, limit=20)["data"]
    assert {hit["page"] for hit in pages} == set(range(1, PAGES + 1))
    assert (pages[0]["page"], pages[0]["also_on_pages"]) == (7, [])
    (item,) = ask(api, query="harbour", filters=one, group="item")["data"]
    assert (item["page"], len(item["also_on_pages"])) == (7, 5)
    mixed = ask(api, query="harbour", group="page", limit=50)["data"]
    assert {("report", 7), ("report", 1), ("letter", 1)} <= {(hit["item_id"], hit["page"]) for hit in mixed}
    near = ask(api, item_id="letter", group="page", limit=50)["data"]
    assert {("report", 7), ("report", 1), ("photo", None)} <= {(hit["item_id"], hit["page"]) for hit in near}


def test_the_pages_of_a_list_are_the_list(report: None, api: Api) -> None:
    for body in (
        {"query": "harbour", "group": "page"},
        {"query": "harbour", "filters": {"item_ids": ["report"]}},
        {"query": "harbour", "include_weaker": True},
        {"item_id": "letter", "group": "page"},
    ):
        whole = [(hit["item_id"], hit["page"]) for hit in ask(api, **body, limit=50)["data"]]
        assert every(api, **body, limit=2) == whole
        assert len(set(whole)) == len(whole) >= 2


def test_what_comes_or_goes_meanwhile_repeats_no_hit(report: None, world: World, api: Api) -> None:
    body = {"query": "harbour", "group": "page", "limit": 4}
    first = ask(api, **body)
    shown = [(hit["item_id"], hit["page"]) for hit in first["data"]]
    world.ingest("alice/new.pdf", make_long_pdf(["harbour harbour harbour"]))
    later = ask(api, **body, after=first["next"])["data"]
    assert not set(shown) & {(hit["item_id"], hit["page"]) for hit in later}
    assert len(later) == 4


def test_a_cursor_of_another_search_is_refused(report: None, api: Api) -> None:
    body: dict[str, Any] = {"query": "harbour", "group": "page", "limit": 2}
    cursor = ask(api, **body)["next"]
    assert api("POST", SEARCH, {**body, "after": cursor, "limit": 5, "explain": True})[0] == 200
    others = (
        {"query": "harbour dues"},
        {"mode": "lexical"},
        {"group": "item"},
        {"include_weaker": True},
        {"kinds": ["pdf"]},
        {"filters": {"tag": "x"}},
    )
    for other in others:
        status, problem, _ = api("POST", SEARCH, {**body, "after": cursor, **other})
        assert (status, problem["field"]) == (400, "after"), other
        assert "another search" in problem["detail"]


@pytest.mark.parametrize(
    "cursor",
    [
        *(" ", "x", "AAAA", "'; --", "\u0663", "W10", "[" * 1000, "e30="),
        *(
            encode_json(value)
            for value in (
                None, {}, [], ["s"], ["s", 0, "a", 1], ["s", -1, "a", 1], ["s", 10**9, "a", 1], ["s", True, "a", 1],
                ["s", 1.5, "a", 1], ["s", 1, None, 1], ["s", 1, "a", "1"], ["s", 1, "a", 0], [7, 1, "a", 1],
                ["s", 1, "a", 1, 2],
            )
        ),
        base64.urlsafe_b64encode(b"[" * 700).decode(),
    ],
)  # fmt: skip
def test_a_hostile_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="not a cursor of a search"):
        decode_place(cursor, "s")


def test_a_cursor_holds_the_place_and_a_gone_hit_is_skipped_by_its_number() -> None:
    place = Place(offset=2, last=("b", 3))
    assert decode_place(encode_place(place, "s"), "s") == place
    keys = [("new", 1), ("a", 1), ("b", 3), ("c", 1)]
    assert Cut(limit=2, group="page", after=place).start(keys) == 3
    assert Cut(limit=2, after=place).start([("b", 9), ("c", 1)]) == 1, "the item, whichever its page"
    assert Cut(limit=2, group="page", after=place).start([("a", 1), ("c", 1), ("d", 1)]) == 2
    assert json.loads(base64.urlsafe_b64decode(encode_place(place, "s") + "==")) == ["s", 2, "b", 3]


def test_a_cursor_is_refused_over_http(world: World, api: Api) -> None:
    world.ingest("alice/photo.jpg", jpeg())
    for cursor in ("", "x", "[" * 1025, 7, {}):
        status, problem, _ = api("POST", SEARCH, {"query": "a", "after": cursor})
        assert (status, problem["field"]) == (400, "after"), cursor
    for field, value in {"group": "chapter", "include_weaker": "yes"}.items():
        status, problem, _ = api("POST", SEARCH, {"query": "a", field: value})
        assert (status, problem["field"]) == (400, field)


def test_nobody_can_use_anothers_cursor_to_see_more(report: None, world: World) -> None:
    world.ingest("bob/mine.pdf", make_long_pdf(["harbour", "harbour two"]))
    cut = Cut(limit=2, group="page")
    asked: dict[str, Any] = {"filters": Filters(), "db": world.db, "embedder": wiring.embedder()}
    first = search_items("alice", "harbour", cut=cut, **asked)
    found = search_items("bob", "harbour", cut=structs.replace(cut, after=first.next), **asked)
    assert {hit.passage.item_id for hit in found.hits} <= {"mine"}
