"""The API over a real database and the emulated AWS: items, uploads, search, health."""

from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from chalicelib import wiring
from tests.support.library_api import Api, upload
from tests.support.world import World, jpeg


def test_upload_process_read_delete(world: World, api: Api) -> None:
    body = jpeg()
    new = {"filename": "beach.jpg", "content_type": "image/jpeg", "size_bytes": len(body)}
    status, form, _ = api("POST", "/api/v1/uploads", new)
    assert status == 201
    upload(form, body)
    assert api("GET", f"/api/v1/uploads/{form['id']}")[1]["status"] == "pending"
    event = world.put(form["key"], body)
    world.run(event)

    status, arrived, _ = api("GET", f"/api/v1/uploads/{form['id']}")
    assert (status, arrived["status"], arrived["item_id"]) == (200, "received", "beach")
    status, item, _ = api("GET", "/api/v1/items/beach")
    assert (status, item["status"], item["analysis"]["category"]) == (200, "READY", "photo")
    status, _, headers = api("GET", "/api/v1/items/beach/thumbnail")
    assert status == 302
    with urlopen(headers["Location"], timeout=10) as thumbnail:
        assert thumbnail.read().startswith(b"\xff\xd8\xff")
    _, _, headers = api("GET", "/api/v1/items/beach/download")
    with urlopen(headers["Location"], timeout=10) as file:
        assert file.read() == body
        assert file.headers["Content-Disposition"].startswith('attachment; filename="beach.jpg"')
    status, timeline, _ = api("GET", "/api/v1/items/beach/timeline")
    assert [e["event"] for e in timeline["data"] if e["stage"] == "process"] == ["started", "finished"]
    status, chunks, _ = api("GET", "/api/v1/items/beach/chunks")
    assert "beach" in chunks["data"][0]["text"]

    assert api("DELETE", "/api/v1/items/beach")[0] == 204
    assert api("GET", "/api/v1/items/beach")[0] == 404
    assert api("POST", "/api/v1/search", {"query": "beach"})[1]["data"] == []
    assert world.objects() == []
    for table in (
        "chunks",
        "pages",
        "postings",
        "term_df",
        "vectors",
        "analyses",
        "tasks",
        "object_deletions",
    ):
        assert world.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert world.sql("SELECT pages, total_length FROM corpus_stats") == [(0, 0)]


def test_a_late_event_of_a_deleted_item_does_not_bring_it_back(world: World, api: Api) -> None:
    event = world.put("alice/a.jpg", jpeg())
    world.run(event)
    assert api("DELETE", "/api/v1/items/a")[0] == 204
    world.run(event)
    assert api("GET", "/api/v1/items")[1]["data"] == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a\r\nb\x7f.jpg", "a__b_.jpg"), ("a ${filename}.jpg", "a _{filename}.jpg"), ("a+%20é &?#.jpg",) * 2],
)
def test_a_file_goes_where_it_was_announced_whatever_its_name(
    world: World, api: Api, name: str, kept: str
) -> None:
    new = {"filename": name, "content_type": "image/jpeg", "size_bytes": len(jpeg())}
    _, form, _ = api("POST", "/api/v1/uploads", new)
    upload(form, jpeg())
    assert (world.objects(), form["key"].rpartition("/")[2]) == ([form["key"]], kept)


def test_bytes_other_than_announced_fail(world: World, api: Api) -> None:
    new = {"filename": "a.jpg", "content_type": "image/jpeg", "size_bytes": 5, "sha256": "0" * 64}
    _, form, _ = api("POST", "/api/v1/uploads", new)
    world.ingest(form["key"], jpeg())
    assert api("GET", "/api/v1/items/a")[1]["failure"]["code"] == "checksum_mismatch"
    world.ingest(form["key"], jpeg("blue"))
    assert api("GET", "/api/v1/items/a")[1]["status"] == "READY"


def test_a_pdf_announced_as_an_image_fails_and_says_so(world: World, api: Api) -> None:
    body = (Path(__file__).parents[2] / "samples" / "balcony-tomatoes.pdf").read_bytes()
    new = {"filename": "a.jpg", "content_type": "image/jpeg", "size_bytes": len(body)}
    _, form, _ = api("POST", "/api/v1/uploads", new)
    world.ingest(form["key"], body)
    assert api("GET", "/api/v1/items/a")[1]["failure"]["code"] == "mislabelled"
    world.ingest(form["key"], body + b"\n")
    assert api("GET", "/api/v1/items/a")[1]["status"] == "READY", "written again without an announcement"


def test_known_bytes_need_no_upload(world: World, api: Api) -> None:
    world.ingest("alice/a.jpg", jpeg())
    sha256 = world.item("a")["sha256"]
    new = {"filename": "b.jpg", "content_type": "image/jpeg", "size_bytes": 5, "sha256": sha256}
    status, answer, _ = api("POST", "/api/v1/uploads", new)
    assert (status, answer["item"]["id"]) == (200, "a")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"content_type": "text/html"}, 400, "content_type"),
        ({"size_bytes": 0}, 400, "size_bytes"),
        ({"size_bytes": 300 * 1024 * 1024}, 413, "size_bytes"),
        ({"filename": ""}, 400, "filename"),
        ({"user_id": "bob"}, 400, "user_id"),
        ({"sha256": "xyz"}, 400, "sha256"),
        ({"sha256": "0" * 64 + "\n"}, 400, "sha256"),
    ],
)
def test_a_wrong_upload_is_refused_by_field(
    api: Api, change: dict[str, Any], status: int, field: str | None
) -> None:
    new = {"filename": "a.jpg", "content_type": "image/jpeg", "size_bytes": 10, **change}
    got, problem, headers = api("POST", "/api/v1/uploads", new)
    assert (got, problem.get("field")) == (status, field)
    assert headers["Content-Type"] == "application/problem+json"


def test_items_are_listed_page_by_page_and_filtered(world: World, api: Api) -> None:
    for number in range(5):
        world.ingest(f"alice/photo-{number}.jpg", jpeg(size=(60 + number, 40)))
    world.ingest("alice/broken.jpg", b"nothing")
    seen, cursor = [], ""
    while True:
        _, page, _ = api("GET", f"/api/v1/items?limit=2{cursor}")
        seen += [item["id"] for item in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&after={page['next']}"
    assert seen == ["broken", *[f"photo-{n}" for n in (4, 3, 2, 1, 0)]]

    def ids(query: str) -> list[str]:
        return [item["id"] for item in api("GET", f"/api/v1/items?{query}")[1]["data"]]

    assert ids("status=FAILED") == ["broken"]
    assert ids("text=PHOTO-3") == ["photo-3"]
    assert ids("text=%25") == []
    assert len(ids("kind=image&tag=test%20label")) == 5
    assert ids("until=2020-01-01T00:00:00Z") == []
    assert len(ids("since=2020-01-01T00:00:00Z")) == 6


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "after=@@@",
        "after=bm90LWEtY3Vyc29y",
        "kind=video",
        "wrong=1",
        "since=yesterday",
    ],
)
def test_a_wrong_list_query_is_refused_by_field(api: Api, query: str) -> None:
    status, problem, _ = api("GET", f"/api/v1/items?{query}")
    assert (status, problem["field"]) == (400, query.partition("=")[0])


def test_reprocess_starts_over_and_fences_the_rest(world: World, api: Api) -> None:
    world.ingest("alice/a.jpg", jpeg())
    last = world.published()[-1]["outbox_id"]
    status, item, _ = api("POST", "/api/v1/items/a/reprocess", None)
    assert (status, item["status"]) == (202, "PENDING")
    world.run(*world.published(after=last))
    assert api("GET", "/api/v1/items/a")[1]["status"] == "READY"
    assert world.sql("SELECT version, is_current FROM analyses ORDER BY 1") == [(1, False), (2, True)]


def test_search_by_words_by_example_and_explained(world: World, api: Api) -> None:
    for name in ("red-apple", "green-apple", "steam-engine"):
        world.ingest(f"alice/{name}.jpg", jpeg(size=(len(name) * 10, 50)))
    status, answer, _ = api("POST", "/api/v1/search", {"query": "engine", "explain": True})
    hit = answer["data"][0]
    assert (status, hit["item_id"], hit["page"], answer["missing"]) == (200, "steam-engine", None, [])
    (start, end), *_ = hit["highlights"]
    assert hit["snippet"][start:end] == "engine"
    assert hit["explain"]["lexical_rank"] == hit["explain"]["semantic_rank"] == 1
    _, answer, _ = api("POST", "/api/v1/search", {"item_id": "red-apple", "limit": 1})
    assert [hit["item_id"] for hit in answer["data"]] == ["green-apple"]
    _, answer, _ = api("POST", "/api/v1/search", {"query": "apple", "filters": {"item_ids": ["green-apple"]}})
    assert [hit["item_id"] for hit in answer["data"]] == ["green-apple"]
    assert api("POST", "/api/v1/search", {"query": "apple", "kinds": ["pdf"]})[1]["data"] == []


def test_search_goes_on_by_words_when_the_embedder_is_away(world: World, api: Api) -> None:
    world.ingest("alice/steam-engine.jpg", jpeg())
    world.providers.fail_with = [503]
    status, answer, _ = api("POST", "/api/v1/search", {"query": "engine"})
    assert (status, answer["missing"]) == (200, ["semantic"])
    assert [hit["item_id"] for hit in answer["data"]] == ["steam-engine"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": "a", "item_id": "b"}, "query"),
        ({"query": " "}, "query"),
        ({"query": "a", "limit": 51}, "limit"),
        ({"query": "a", "kinds": ["film"]}, "kinds[0]"),
        (
            {"query": "a", "filters": {"since": "2021-01-01T00:00:00Z", "until": "2020-01-01T00:00:00Z"}},
            "filters.until",
        ),
    ],
)
def test_a_wrong_search_is_refused_by_field(api: Api, body: dict[str, Any], field: str) -> None:
    status, problem, _ = api("POST", "/api/v1/search", body)
    assert (status, problem["field"]) == (400, field)


def test_another_users_item_is_as_missing_as_a_missing_one(world: World, api: Api) -> None:
    world.ingest("bob/secret.jpg", jpeg())
    for method, path in [
        ("GET", "/api/v1/items/{}"),
        ("DELETE", "/api/v1/items/{}"),
        ("POST", "/api/v1/items/{}/reprocess"),
        ("GET", "/api/v1/items/{}/thumbnail"),
        ("GET", "/api/v1/items/{}/download"),
        ("GET", "/api/v1/items/{}/chunks"),
        ("GET", "/api/v1/items/{}/timeline"),
    ]:
        others = api(method, path.format("secret"))
        missing = api(method, path.format("missing"))
        assert others[0] == missing[0] == 404
        assert {**others[1], "request_id": ""} == {**missing[1], "request_id": ""}
    assert api("POST", "/api/v1/search", {"item_id": "secret"})[0] == 404
    assert api("POST", "/api/v1/search", {"query": "secret"})[1]["data"] == []
    assert world.item("secret")["status"] == "READY"


def test_health(world: World, api: Api) -> None:
    assert api("GET", "/health/live")[:2] == (200, {"status": "alive"})
    assert api("GET", "/health/ready")[0] == 200
    _, answer, _ = api("GET", "/health")
    assert (answer["status"], answer["environment"], answer["version"]) == ("healthy", "local", "0.1.0")
    assert set(answer["checks"].values()) == {"ok"}
    assert {"cache", "workflow", "database"} <= answer["checks"].keys()
    assert answer["parts"].keys() == answer["checks"].keys() | {"pictures"}, "which no stage needs"
    assert answer["parts"]["embedder"] == "openai test-embedding"
    assert answer["parts"]["chat"] == "quotes from the files, without a model"


def test_health_without_models_says_so(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYZER_URL")
    monkeypatch.delenv("EMBEDDINGS_URL")
    monkeypatch.delenv("EMBEDDING_MODEL")
    wiring.settings.forget()
    status, answer, _ = api("GET", "/health/ready")
    assert (status, answer["status"]) == (503, "degraded")
    assert (answer["checks"]["analyzer"], answer["checks"]["embedder"]) == (
        "not_configured",
        "not_configured",
    )


def test_health_says_when_nobody_takes_back_leases_or_sends_events(world: World, api: Api) -> None:
    world.put("alice/a.jpg", b"")
    world.deliver(world.put("alice/a.jpg", b"x"))
    world.sql("UPDATE tasks SET state = 'running', lease_until = now() - interval '29 minutes'")
    assert api("GET", "/health")[1]["checks"]["workflow"] == "ok"
    world.sql("UPDATE tasks SET lease_until = now() - interval '31 minutes'")
    assert api("GET", "/health")[1]["checks"]["workflow"] == "sweeper_is_late"
    world.sql("UPDATE tasks SET lease_until = now()")
    world.sql(
        "INSERT INTO outbox (user_id, item_id, source, detail_type, detail, due_at)"
        " VALUES ('alice', 'a', 's', 'd', '{}', now() - interval '31 minutes')"
    )
    assert api("GET", "/health")[1]["checks"]["workflow"] == "relay_is_late"
