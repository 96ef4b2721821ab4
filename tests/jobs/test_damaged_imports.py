"""Imports of exports that are damaged or made up: each has its outcome, and nothing of it is kept."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.errors import BadFile
from chalicelib.ops.jobs.import_rows import import_lines
from chalicelib.ops.jobs.import_zip import Lines
from tests.jobs.importing import be, export, give, rows
from tests.jobs.test_exports import prepared
from tests.support.running import Runner
from tests.support.world import jpeg


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
        "unknown_export_version": changed(body, same, version=4),
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
