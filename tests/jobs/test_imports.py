"""Imports: an export that is put back is equal, also when workers are killed; what is there is never overwritten."""

import io
import zipfile

import pytest

from chalicelib.events import handlers
from chalicelib.model.jobs.exports import TABLES
from chalicelib.ops.jobs import export_lines, export_steps, import_items, import_zip
from tests.jobs.importing import be, export, give, hits, practise, rows
from tests.jobs.test_exports import MortalWorker, prepared
from tests.support.running import RUNS, Runner
from tests.support.world import jpeg

QUERIES = ("apple", "bicycle chain", "photo", "sprockets of the cassette", "red house")


def test_an_import_into_an_empty_account_is_equal_and_asks_no_model_and_again_changes_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner)
    practise(runner)
    body, before = export(runner), {query: hits(runner, query) for query in QUERIES}
    assert sum(map(len, before.values())) >= 6, before
    providers = runner.world.providers
    be(runner, monkeypatch, "carol")
    asked = [len(providers.embedded), len(providers.analyzed), len(providers.asked)]
    run = give(runner, body)
    assert (run["state"], run["counts"]["done"], run["counts"]["total"]) == ("succeeded", 12, 12), run
    assert [len(providers.embedded), len(providers.analyzed), len(providers.asked)] == asked
    for table in TABLES:
        mine = rows(runner, "alice", table)
        assert mine and rows(runner, "carol", table) == mine, table
    assert {query: hits(runner, query) for query in QUERIES} == before
    (talk,) = runner("GET", "/api/v1/conversations")[1]["data"]
    _, answer = runner("GET", f"/api/v1/conversations/{talk['id']}/messages")[1]["data"]
    assert answer["citations"] and not any(each["stale"] for each in answer["citations"])
    (exercise,) = runner("GET", "/api/v1/exercises")[1]["data"]
    assert exercise["metadata"]["stale"] is False
    item = runner("GET", "/api/v1/items/apples")[1]
    assert runner.api._client.http.get(item["thumbnail_url"]).status_code in (200, 302)
    state = {table: rows(runner, "carol", table) for table in TABLES}
    again = give(runner, body)
    assert (again["state"], again["counts"]["skipped"]) == ("succeeded", 12)
    assert {file["code"] for file in runner.files(again["id"])} == {"duplicate"}
    assert {table: rows(runner, "carol", table) for table in TABLES} == state


def test_the_list_of_the_zip_is_read_once_and_not_at_every_step(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_items, "STEP_S", 0.0)  # a file a step
    prepared(runner)
    body, lists_read = export(runner), 0

    class Counted(import_zip.ExportZip):
        def __init__(self, archive: zipfile.ZipFile) -> None:
            nonlocal lists_read
            lists_read += 1
            super().__init__(archive)

    monkeypatch.setattr(import_zip, "ExportZip", Counted)
    be(runner, monkeypatch, "carol")
    assert (give(runner, body)["counts"]["done"], lists_read) == (6, 1)


def test_killed_at_every_few_commits_it_goes_on_and_all_is_there_once(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner, count=2)
    body = export(runner)
    be(runner, monkeypatch, "carol")
    run_id = runner.begin(kind="import")
    runner.world.deliver(runner.send(run_id, body, filename="export.zip"))
    worker = MortalWorker(runner, monkeypatch)
    for _ in range(100):
        if runner.run(run_id)["state"] == "succeeded":
            break
        worker.work()
    assert worker.kills >= 4
    assert runner.run(run_id)["counts"] | {"done": 5, "total": 5} == runner.run(run_id)["counts"]
    for table in TABLES:
        assert rows(runner, "carol", table) == rows(runner, "alice", table), table
    runner.world.heal()
    kept = {key for key in runner.world.objects() if key.startswith(("carol/", "_derived/carol/"))}
    known = runner.world.sql(
        "SELECT unnest(ARRAY[key, thumbnail_key, preview_key]) FROM items WHERE user_id = 'carol'"
        " UNION SELECT input_key FROM job_runs WHERE user_id = 'carol'"
    )
    assert {key for key in kept if "/runs/" not in key} == {key for (key,) in known}


def test_what_is_there_is_merged_with_and_never_overwritten(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner, count=1)
    ((same, ordinal),) = runner.world.sql("SELECT id, ordinal FROM messages WHERE role = 'user'")
    body = export(runner)
    be(runner, monkeypatch, "carol")
    runner.world.ingest("carol/apples.jpg", jpeg("green"))  # takes the id apples
    runner.world.ingest("carol/mine.jpg", jpeg(size=(40, 30)))  # has the bytes of a photo
    _, mine = runner("POST", "/api/v1/collections", {"name": "FRUIT", "description": "mine"})
    runner.world.sql(
        "INSERT INTO conversations (user_id, id, title) SELECT 'carol', id, 'another' FROM conversations;"
        "INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content)"
        f" SELECT 'carol', '{same}', id, {ordinal}, 'user', 'mine' FROM conversations WHERE user_id = 'carol'"
    )
    run = give(runner, body)
    assert (run["state"], run["counts"]["skipped"]) == ("succeeded", 1), runner.files(run["id"])
    ids = {row["sha256"]: row["id"] for row in rows(runner, "carol", "items")}
    assert len(ids) == 3 and "mine" in ids.values()
    (other,) = [each for each in ids.values() if each.startswith("apples~")]
    (collection,) = rows(runner, "carol", "collections")
    assert (collection["id"], collection["description"]) == (mine["id"], "mine")
    assert [row["item_id"] for row in rows(runner, "carol", "collection_items")] == [other]
    titles = {row["title"]: row["id"] for row in rows(runner, "carol", "conversations")}
    assert sorted(titles) == ["Fruit talk", "another"]
    question, answer = runner("GET", f"/api/v1/conversations/{titles['Fruit talk']}/messages")[1]["data"]
    assert question["id"] != same and answer["reply_to"] == question["id"]
    assert {(each["item_id"], each["stale"]) for each in answer["citations"]} == {(other, False)}
    before = {table: rows(runner, "carol", table) for table in TABLES}
    assert give(runner, body)["counts"]["done"] == 0
    assert {table: rows(runner, "carol", table) for table in TABLES} == before


def test_without_vectors_the_text_is_embedded_and_nothing_else_is_asked(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_steps, "CHUNKS_A_STEP", 1)  # an entry an item
    monkeypatch.setattr(export_lines, "MAX_VECTOR_BYTES", 100)  # no vector fits
    prepared(runner, count=1)
    body = export(runner)
    names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    assert [name for name in names if name.startswith("derived/")] == [
        "derived/000001.jsonl",
        "derived/000002.jsonl",
    ]
    be(runner, monkeypatch, "carol")
    asked = len(runner.world.providers.embedded), len(runner.world.providers.analyzed)
    run = give(runner, body)
    assert run["state"] == "succeeded", runner.files(run["id"])
    embedded, analyzed = asked
    assert len(runner.world.providers.embedded) > embedded
    assert len(runner.world.providers.analyzed) == analyzed
    assert rows(runner, "carol", "chunks") == rows(runner, "alice", "chunks")
    assert rows(runner, "carol", "vectors") == rows(runner, "alice", "vectors")


def test_cancelled_it_stops_and_a_retry_puts_back_the_rest(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_items, "STEP_S", -1.0)  # an item a step
    prepared(runner, count=1)
    body = export(runner)
    be(runner, monkeypatch, "carol")
    run_id = runner.begin(kind="import")
    runner.world.step(runner.send(run_id, body, filename="export.zip"), remaining_s=10.0)
    while not rows(runner, "carol", "items"):
        runner.world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE stage = 'job' AND state = 'ready'"
        )
        runner.world.step(remaining_s=10.0)
        handlers.minute_passed()
    assert runner("POST", f"{RUNS}/{run_id}/cancel")[0] == 200
    runner.settle()
    run = runner.run(run_id)
    assert run["state"] == "cancelled" and run["counts"]["remaining"] > 0
    status, again = runner("POST", f"{RUNS}/{run_id}/retry")
    assert status == 201, again
    runner.settle()
    assert runner.run(again["id"])["state"] == "succeeded"
    for table in ("items", "conversations", "citations", "collection_items"):
        assert len(rows(runner, "carol", table)) == len(rows(runner, "alice", table)), table
