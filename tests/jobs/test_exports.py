"""Exports: all that a user has in one zip, also when its worker is killed, and nobody else's."""

import hashlib
import io
import json
import urllib.request
import zipfile
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.jobs import exports
from chalicelib.ops.jobs import export_steps
from tests.jobs.test_killed_workers import Killed
from tests.support.running import RUNS, Runner
from tests.support.talking import document
from tests.support.world import BUCKET, jpeg


def prepared(runner: Runner, count: int = 3) -> None:
    """Alice has photos of one name, a document, a collection and an answer; bob has a photo."""
    for number in range(count):
        runner.world.ingest(f"alice/{number}/p:h\u202eoto.jpg", jpeg(size=(40 + number, 30)))
    runner.world.ingest("alice/apples.pdf", document("The apple is by the house."))
    runner.world.ingest("bob/secret.jpg", jpeg("blue"))
    _, made = runner("POST", "/api/v1/collections", {"name": "Fruit"})
    assert runner("POST", f"/api/v1/collections/{made['id']}/items", {"item_ids": ["apples"]})[0] < 300
    _, talk = runner("POST", "/api/v1/conversations", {"title": "Fruit talk"})
    path = f"/api/v1/conversations/{talk['id']}/messages"
    status, answer = runner("POST", path, {"content": "Where is the apple?"})
    assert status == 201 and answer["citations"], answer


def download(runner: Runner, run: dict[str, Any]) -> zipfile.ZipFile:
    answer = runner.api._client.http.get(run["export_url"])
    assert answer.status_code == 302, answer.body
    return zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(answer.headers["Location"], timeout=10).read()))


def check(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Check that the manifest lists all entries, each with its checksum; return the manifest."""
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    listed = {entry["name"]: entry for entry in manifest["entries"]}
    assert set(archive.namelist()) == {*listed, "manifest.json"}
    assert len(archive.namelist()) == len(set(archive.namelist()))
    for name, entry in listed.items():
        body = archive.read(name)
        assert (len(body), hashlib.sha256(body).hexdigest()) == (entry["size_bytes"], entry["sha256"])
    return dict(manifest)


def counts(*, items: int) -> dict[str, int]:
    return {
        "items": items,
        "files": items,
        "collections": 1,
        "conversations": 1,
        "concepts": 0,
        "review_settings": 0,
        "exercises": 0,
        "decks": 0,
    }


def lines(archive: zipfile.ZipFile, folder: str) -> list[dict[str, Any]]:
    names = [name for name in sorted(archive.namelist()) if name.startswith(f"{folder}/")]
    return [json.loads(line) for name in names for line in archive.read(name).splitlines()]


def test_all_that_a_user_has_is_in_one_zip_and_nobody_elses(runner: Runner) -> None:
    prepared(runner)
    run_id = runner.begin(kind="export")
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"]) == ("succeeded", 4), run
    assert {outcome for outcome, _ in runner.outcomes(run_id).values()} == {"done"}
    archive = download(runner, run)
    manifest = check(archive)
    assert (manifest["format"], manifest["version"]) == ("collections-export", 3)
    assert manifest["counts"] == counts(items=4)
    assert not any("bob" in name or "secret" in name for name in archive.namelist())
    rows = lines(archive, "items")
    items = [row for row in rows if row["type"] == "item"]
    assert {item["sha256"] for item in items} == {
        hashlib.sha256(archive.read(item["original"])).hexdigest() for item in items
    }
    assert "originals/000001/p_h_oto.jpg" in archive.namelist()
    assert {row["item_id"] for row in rows if row["type"] == "analysis"} == {item["id"] for item in items}
    assert any(row["type"] == "text" and "apple is by the house" in row["text"] for row in rows)
    (collection,) = lines(archive, "collections")
    assert (collection["name"], collection["item_ids"]) == ("Fruit", ["apples"])
    (conversation,) = lines(archive, "conversations")
    question, answer = conversation["messages"]
    assert question["content"] == "Where is the apple?" and answer["reply_to"] == question["id"]
    assert answer["citations"][0]["item_id"] == "apples"


def test_what_a_step_left_is_gone_when_it_has_ended_and_the_zip_after_30_days(runner: Runner) -> None:
    prepared(runner, count=1)
    run_id = runner.begin(kind="export")
    runner.settle()
    handlers.five_minutes_passed({"time": "2100-01-01T00:00:00Z"})
    kept = [key.rpartition("/")[2] for key in runner.world.objects() if f"/runs/{run_id}/" in key]
    assert sorted(kept) == ["errors.jsonl", "export.zip", "results.jsonl"]
    runner.world.sql("UPDATE job_runs SET finished_at = now() - interval '31 days'")
    for _ in range(2):
        handlers.five_minutes_passed({"time": "2100-01-01T00:00:00Z"})
    assert not [key for key in runner.world.objects() if f"/runs/{run_id}/" in key]


def test_a_file_that_is_gone_fails_by_name_and_the_rest_is_exported(runner: Runner) -> None:
    prepared(runner, count=1)
    wiring.blobs().delete({"alice/apples.pdf": None})
    run_id = runner.begin(kind="export")
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], runner.outcomes(run_id)["apples.pdf"]) == (
        "partially_succeeded",
        ("failed", "object_missing"),
    )
    archive = download(runner, run)
    assert check(archive)["counts"] | {"items": 2, "files": 1} == check(archive)["counts"]
    assert [row["original"] for row in lines(archive, "items") if row.get("id") == "apples"] == [None]
    wiring.blobs().put("alice/apples.pdf", b"it is back", content_type="application/pdf")
    status, again = runner("POST", f"{RUNS}/{run_id}/retry")
    assert status == 201, again
    runner.settle()
    archive = download(runner, runner.run(again["id"]))
    assert check(archive)["counts"] == counts(items=1)
    assert archive.read("originals/000001/apples.pdf") == b"it is back"


def test_killed_at_every_few_commits_it_goes_on_and_the_zip_is_whole(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_steps, "ITEMS_A_STEP", 2)
    prepared(runner)
    runner.world.ingest("alice/large.jpg", jpeg() + b"\0" * exports.PART_BYTES)
    run_id = runner.begin(kind="export")
    worker = MortalWorker(runner, monkeypatch)
    for _ in range(200):
        if runner.run(run_id)["state"] == "succeeded":
            break
        worker.work()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"]) == ("succeeded", 5), run
    assert worker.kills >= 5
    assert check(download(runner, run))["counts"] == counts(items=5)


class MortalWorker:
    """A worker that is killed at its fifth to 26th transaction: before the commit, and the next time after it."""

    def __init__(self, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runner, self.kills, self.left = runner, 0, 0
        database = wiring.pipeline_database()
        transact = database.transact

        def transact_or_die(user_id: str, work: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and self.kills % 2 == 0:
                raise Killed
            answer = transact(user_id, work, **options)
            if self.left == 0:
                raise Killed
            return answer

        monkeypatch.setattr(database, "transact", transact_or_die)

    def work(self) -> None:
        """Deliver what waits; then leases end, and what was lost is found."""
        world = self.runner.world
        for message in world.messages():
            self.left = 5 + 3 * self.kills % 24
            try:
                world.deliver(message)
            except Killed:
                self.kills += 1
            self.left = 0
        world.sql(
            "UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running';"
            "UPDATE tasks SET run_after = now() WHERE state = 'ready';"
            "UPDATE tasks SET woken_at = now() - interval '10 minutes' WHERE woken_at IS NOT NULL"
        )
        world.sweep()


def test_cancelled_at_work_it_leaves_no_zip_and_no_parts(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_steps, "ITEMS_A_STEP", 1)
    prepared(runner, count=1)
    run_id = runner.begin(kind="export")
    while not runner.run(run_id)["counts"]["done"]:
        handlers.minute_passed()
        runner.world.step(remaining_s=10.0)  # a step of the run
    s3 = runner.world.aws.client("s3")
    assert len(s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1
    body = {"parts": [{"number": 1, "etag": "0" * 32}]}
    assert runner("POST", f"{RUNS}/{run_id}/upload-complete", body)[1]["code"] == "takes_no_file"
    assert runner("POST", f"{RUNS}/{run_id}/cancel")[0] == 200
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["export_url"]) == ("cancelled", None)
    assert runner("GET", f"{RUNS}/{run_id}/files/export.zip")[0] == 404
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
