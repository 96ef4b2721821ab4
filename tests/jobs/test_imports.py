"""Imports: an export that is put back is equal, also when workers are killed; what is there is never overwritten."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import BadFile
from chalicelib.events import handlers
from chalicelib.model.jobs.exports import TABLES
from chalicelib.ops.jobs import export_lines, export_steps, import_items
from chalicelib.ops.jobs.import_rows import import_lines
from chalicelib.ops.jobs.import_zip import Lines
from tests.jobs.test_exports import MortalWorker, download, prepared
from tests.practice.conftest import CHAIN
from tests.support.running import RUNS, Runner
from tests.support.world import jpeg

CONCEPT = {"concept_id": "wear of a bicycle chain", "student_id": "student-1", "student_interests": ["opera"]}
CONCEPT |= {"life_category": "career", "difficulty": "basic", "kind": "cloze"}
# What an import makes anew: places in this bucket and this database, and when the item became ready here.
OWN = (
    *("user_id", "owner", "id", "chunk_id", "set_id", "key", "etag", "thumbnail_key", "preview_key"),
    *("updated_at", "ready_at", "added_at"),
)
SORTED_BY_ID = {"items": "id", "collections": "id", "conversations": "id", "messages": "id", "concepts": "id"}


def be(runner: Runner, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("ANONYMOUS_USER", user)
    wiring.settings.forget()


def practise(runner: Runner) -> None:
    """Alice has an exercise, an answer that was wrong, and what helps with it."""
    runner.world.ingest("alice/chain.pdf", CHAIN)
    made = runner("POST", "/api/exercise/generate", CONCEPT)[1]["exercise"]
    answer = {"exercise_id": made["exercise_id"], "student_id": "student-1", "response_text": "a wrong one"}
    graded = runner("POST", "/api/exercise/evaluate", answer)[1]["evaluation"]
    helped = runner("POST", "/api/exercise/remediate", {"evaluation_id": graded["evaluation_id"]})
    assert helped[0] == 200, helped


def export(runner: Runner) -> bytes:
    run_id = runner.begin(kind="export")
    runner.settle()
    archive = download(runner, runner.run(run_id))
    assert archive.fp is not None
    archive.fp.seek(0)
    return archive.fp.read()


def give(runner: Runner, body: bytes) -> dict[str, Any]:
    """Import the zip; return the run when it has ended."""
    run_id = runner.begin(kind="import")
    runner.give(run_id, body, filename="export.zip")
    return runner.run(run_id)


def rows(runner: Runner, user: str, table: str) -> list[dict[str, Any]]:
    """All rows of a user, without what is of this place."""
    owned = "user_id = '{0}'" if table != "vectors" else "owner = (SELECT number FROM users WHERE id = '{0}')"
    found = runner.world.sql(f"SELECT to_jsonb(t) FROM {table} t WHERE {owned.format(user)}")
    own = set(OWN) - ({"id"} if table in SORTED_BY_ID else set())
    kept = [{name: value for name, value in row.items() if name not in own} for (row,) in found]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def hits(runner: Runner, query: str) -> list[tuple[Any, ...]]:
    status, found = runner("POST", "/api/v1/search", {"query": query, "limit": 20})
    assert status == 200, found
    return [(hit["item_id"], hit["page"], round(hit["score"], 6), hit["snippet"]) for hit in found["data"]]


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
    assert (run["state"], run["counts"]["done"], run["counts"]["total"]) == ("succeeded", 9, 9), run
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
    assert (again["state"], again["counts"]["skipped"]) == ("succeeded", 9)
    assert {file["code"] for file in runner.files(again["id"])} == {"duplicate"}
    assert {table: rows(runner, "carol", table) for table in TABLES} == state


def test_killed_at_every_few_commits_it_goes_on_and_all_is_there_once(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner)
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
    assert runner.run(run_id)["counts"] | {"done": 6, "total": 6} == runner.run(run_id)["counts"]
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


def changed(
    body: bytes, change: Callable[[str, bytes], bytes | None], *, lists: bool = False, **manifest: Any
) -> bytes:
    """Return the zip with entries changed, or left out for None; with `lists`, the manifest lists what is there."""
    given, out = zipfile.ZipFile(io.BytesIO(body)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        listed = json.loads(given.read("manifest.json")) | manifest
        for entry in listed["entries"]:
            new = change(entry["name"], given.read(entry["name"]))
            if new is not None:
                archive.writestr(entry["name"], new)
                if lists:
                    entry |= {"size_bytes": len(new), "sha256": hashlib.sha256(new).hexdigest()}
        new = change("manifest.json", json.dumps(listed).encode())
        if new is not None:
            archive.writestr("manifest.json", new)
    return out.getvalue()


def same(_name: str, entry: bytes) -> bytes:
    return entry


def flip(entry: bytes) -> bytes:
    return entry[:-9] + bytes([entry[-9] ^ 1]) + entry[-8:]


def test_each_export_that_is_none_or_is_damaged_has_its_outcome(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner, count=2)
    body = export(runner)
    be(runner, monkeypatch, "carol")
    first, damaged = "originals/000001/p_h_oto.jpg", ("failed", "entry_changed")

    def change(name: str, entry: bytes) -> bytes | None:
        if name == first:
            return None
        return flip(entry) if name.startswith(("originals/000002", "conversations/")) else entry

    found = runner.outcomes(give(runner, changed(body, change))["id"])
    assert found == {
        first: ("failed", "entry_missing"),
        "originals/000002/p_h_oto.jpg": damaged,
        "originals/000003/apples.pdf": ("done", None),
        "collections/000001.jsonl": ("done", None),
        "conversations/000001.jsonl": damaged,
    }
    of_items = {
        "entry_changed": lambda name, entry: entry + b"\n" if name.startswith("items/") else entry,
        "entry_missing": lambda name, entry: None if name.startswith("items/") else entry,
    }
    for code, change_items in of_items.items():
        run = give(runner, changed(body, change_items))
        assert runner.outcomes(run["id"])[first] == ("failed", code)
    extra = zipfile.ZipFile(added := io.BytesIO(body), "a")
    extra.writestr("../evil.jsonl", b"{}")
    extra.close()
    assert runner.outcomes(give(runner, added.getvalue())["id"])["../evil.jsonl"] == (
        "skipped",
        "unlisted_entry",
    )
    nothing: dict[str, bytes] = {
        "unknown_export_version": changed(body, same, version=3),
        "not_an_export": changed(body, same, format="another"),
        "not_an_export ": changed(body, lambda name, entry: None if name == "manifest.json" else entry),
        "bad_manifest": changed(body, same, counts="many"),
        "bad_archive": body[: len(body) // 2],
        "not_an_archive": jpeg(),
    }
    for code, zip_body in nothing.items():
        runner.world.run(runner.send(run_id := runner.begin(kind="import"), zip_body))
        run = runner.run(run_id)
        assert (run["state"], run["error"]["code"], run["counts"]["total"]) == ("failed", code.strip(), 0), (
            run
        )


def rewritten(field: str, value: Any, *, of: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, entry: bytes) -> bytes:
        if not name.startswith(f"{of}/"):
            return entry
        lines = (json.loads(line) | {field: value} for line in entry.splitlines())
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    return change


def test_lines_that_are_made_up_are_refused_and_nothing_of_them_is_kept(runner: Runner) -> None:
    prepared(runner, count=1)
    ((line,),) = runner.world.sql("SELECT to_jsonb(c) - 'user_id' FROM conversations c")
    line |= {"messages": [], "items": {}, "collections": {}}
    message = {"id": line["id"], "reply_to": None, "collection_id": None, "item_ids": None, "citations": []}
    message |= {
        "content": "made up",
        "role": "user",
        "ordinal": 1,
        "missing": [],
        "dropped": 0,
        "cached": False,
    }
    hostile: list[dict[str, Any]] = [
        *({"id": value} for value in ("no uuid", 7, None, "\0")),
        *({"title": value} for value in ("nul \0", None)),
        *({"created_at": value} for value in ("infinity", "9999-01-01T00:00:00Z", None, "2026-01-01 BC")),
        *(
            {"messages": value}
            for value in ("none", None, [{"id": "x"}], [message | {"role": "root"}], [message] * 2)
        ),
        {"messages": [message | {"ordinal": 2**40}]},
        {"messages": [message | {"citations": [{"item_sha256": None, "item_id": None}]}]},
        {"items": {"a": ["b"]}},
        {"collections": {"a": "nul \0"}},
    ]
    for change in hostile:
        lines = Lines("made up", io.BytesIO(json.dumps(line | change).encode()))
        with pytest.raises(BadFile) as refused:
            runner.world.db.transact(
                "carol", lambda tx, lines=lines: import_lines(tx, "carol", "conversations/1", lines)
            )
        assert refused.value.code == "bad_line", change
    made = Lines(
        "made up", io.BytesIO(json.dumps(line | {"user_id": "alice", "messages": [message]}).encode())
    )
    assert (
        runner.world.db.transact("carol", lambda tx: import_lines(tx, "carol", "conversations/1", made)) == 1
    )
    assert runner.world.sql("SELECT user_id, count(*) FROM conversations GROUP BY 1 ORDER BY 1") == [
        ("alice", 1),
        ("carol", 1),
    ]


def test_an_item_of_an_export_that_is_not_as_it_says_is_processed_from_its_file(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(runner, count=1)
    body = export(runner)
    be(runner, monkeypatch, "carol")
    made_up: list[Callable[[str, bytes], bytes]] = [
        rewritten("media_type", "text/html", of="items"),
        rewritten("preview", "PHNjcmlwdD4=", of="derived"),
        lambda name, entry: b"" if name.startswith("derived/") else entry,
    ]
    for change in made_up:
        analyzed = len(runner.world.providers.analyzed)
        run = give(runner, changed(body, change, lists=True))
        assert run["state"] == "succeeded", runner.files(run["id"])
        assert len(runner.world.providers.analyzed) > analyzed
        assert {row["media_type"] for row in rows(runner, "carol", "items")} == {
            "image/jpeg",
            "application/pdf",
        }
        for item in rows(runner, "carol", "items"):
            assert runner("DELETE", f"/api/v1/items/{item['id']}")[0] == 204
    embedded = len(runner.world.providers.embedded)
    run = give(runner, changed(body, rewritten("model", "another", of="derived"), lists=True))
    assert run["state"] == "succeeded" and len(runner.world.providers.embedded) > embedded
    for item in rows(runner, "carol", "items"):
        assert runner("DELETE", f"/api/v1/items/{item['id']}")[0] == 204
    vector = rewritten("vector", "AAAA", of="derived")
    run = give(runner, changed(body, vector, lists=True))
    assert set(runner.outcomes(run["id"]).values()) >= {("failed", "bad_line")}
    assert rows(runner, "carol", "items") == []


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
    prepared(runner)
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
