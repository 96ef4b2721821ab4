"""Runs of jobs: their file, their states and counts, what became of each file."""

import json
import urllib.request
from typing import Any

import pytest

from chalicelib.events import handlers
from chalicelib.ops.jobs import file_steps
from tests.jobs.test_archives import photos
from tests.support.library_api import send_part
from tests.support.running import RUNS, Runner, zipped
from tests.support.world import jpeg

COLORS = ["red", "blue", "green", "gold", "pink", "gray"]


def test_name_and_description_make_a_job_and_a_file_its_run(runner: Runner) -> None:
    status, job = runner("POST", "/api/v1/jobs", {"name": "test-job", "description": "Test job"})
    assert (status, job["kind"], job["description"]) == (201, "ingest", "Test job")
    status, run = runner("POST", RUNS, {"job_id": job["id"]})
    assert (status, run["state"], run["job_id"], run["counts"]["total"]) == (201, "queued", job["id"], 0)
    runner.give(run["id"], jpeg())
    done = runner.run(run["id"])
    assert (done["state"], done["error"], done["cost_usd"]) == ("succeeded", None, 0.0)
    assert done["counts"] == {"total": 1, "done": 1, "failed": 0, "skipped": 0, "remaining": 0}
    (file,) = runner.files(run["id"])
    assert (file["name"], file["outcome"], file["code"]) == ("photo.jpg", "done", None)
    assert runner("GET", f"/api/v1/items/{file['item_id']}")[1]["status"] == "READY"
    moments = [
        done[f"{state}_at"] for state in ("created", "validating", "running", "finalizing", "finished")
    ]
    assert moments == sorted(moments)


def test_a_zip_becomes_its_files_and_each_has_a_line(runner: Runner) -> None:
    _, collection = runner("POST", "/api/v1/collections", {"name": "Trip"})
    run_id = runner.begin(kind="zip_import", collection_id=collection["id"])
    runner.give(run_id, zipped([*photos(3), ("notes.txt", b"no picture")]), filename="trip.zip")
    run = runner.run(run_id)
    assert run["state"] == "partially_succeeded", run
    assert run["counts"] == {"total": 4, "done": 3, "failed": 1, "skipped": 0, "remaining": 0}
    assert runner.outcomes(run_id)["notes.txt"] == ("failed", "unsupported_format")
    assert runner("GET", f"/api/v1/collections/{collection['id']}")[1]["item_count"] >= 3


def test_errors_name_the_file_the_line_and_the_reason(runner: Runner) -> None:
    run_id = runner.begin()
    runner.give(run_id, zipped([*photos(2), ("letters/torn.pdf", b"%PDF-1.7 torn")]), filename="a.zip")
    _, text, headers = raw(runner, f"{RUNS}/{run_id}/errors")
    (line,) = map(json.loads, text.splitlines())
    assert (line["name"], line["line"], line["code"]) == ("letters/torn.pdf", 3, "truncated")
    assert line["message"].startswith("The file ends too early")
    for name, count in (("results", 3), ("errors", 1)):
        url = runner.run(run_id)[f"{name}_url"]
        status, _, headers = raw(runner, url)
        assert status == 302
        lines = urllib.request.urlopen(headers["Location"], timeout=10).read().splitlines()
        assert len(lines) == count
    assert json.loads(lines[0]) == line


def raw(runner: Runner, path: str) -> tuple[int, str, dict[str, str]]:
    answer = runner.api._client.http.get(path)
    return answer.status_code, answer.body.decode(), answer.headers


def test_the_same_run_is_not_sent_twice(runner: Runner) -> None:
    run_id = runner.begin()
    runner.give(run_id, jpeg())
    answer = runner.api._client.http.get(f"{RUNS}/{run_id}")
    etag = answer.headers["ETag"]
    again = runner.api._client.http.get(f"{RUNS}/{run_id}", headers={"If-None-Match": f'"x", W/{etag}'})
    assert (answer.status_code, again.status_code, again.body) == (200, 304, b"")


def test_bytes_that_are_known_are_skipped(runner: Runner) -> None:
    runner.world.ingest("alice/old.jpg", jpeg())
    run_id = runner.begin()
    runner.give(run_id, zipped([("new.jpg", jpeg()), ("other.jpg", jpeg("blue"))]), filename="a.zip")
    files = {file["name"]: file for file in runner.files(run_id)}
    assert (files["new.jpg"]["outcome"], files["new.jpg"]["code"]) == ("skipped", "duplicate")
    assert files["new.jpg"]["item_id"] == "old"
    assert runner.run(run_id)["state"] == "succeeded"


def test_a_second_file_does_not_begin_it_again(runner: Runner) -> None:
    run_id = runner.begin()
    first = runner.send(run_id, jpeg(), filename="first.jpg")
    second = runner.send(run_id, jpeg("blue"), filename="second.jpg")
    runner.world.run(first, first, second)
    runner.settle()
    assert [file["name"] for file in runner.files(run_id)] == ["first.jpg"]
    assert runner("GET", f"{RUNS}/{run_id}/upload-url")[0] == 409
    handlers.five_minutes_passed({"time": "2100-01-01T00:00:00Z"})
    assert [key for key in runner.world.objects() if key.endswith("second.jpg")] == []


def test_a_lost_event_is_found_by_the_sweep(runner: Runner) -> None:
    run_id = runner.begin()
    runner.send(run_id, jpeg())
    runner.world.sweep()
    runner.world.run()
    runner.settle()
    assert runner.run(run_id)["state"] == "succeeded"


def test_a_large_file_comes_in_parts(runner: Runner) -> None:
    run_id = runner.begin()
    status, place = runner("GET", f"{RUNS}/{run_id}/upload-url?filename=big.jpg&parts=2")
    body = jpeg() + b"\0" * (5 * 1024 * 1024)
    parts = [body[: 5 * 1024 * 1024], body[5 * 1024 * 1024 :]]
    etags = [
        {"number": part["number"], "etag": send_part(part["url"], parts[part["number"] - 1])}
        for part in place["parts"]
    ]
    for _ in range(2):
        status, run = runner("POST", place["complete_url"], {"parts": etags})
        assert status == 200, run
        runner.world.run(runner.world.event_of(place["key"], len(body)))
    runner.settle()
    assert runner.run(run_id)["state"] == "succeeded", runner.files(run_id)


def test_reprocess_takes_what_its_conditions_say(runner: Runner) -> None:
    runner.world.ingest("alice/good.jpg", jpeg())
    runner.world.ingest("alice/bad.jpg", b"nothing")
    status, answer = runner("POST", "/api/v1/jobs", {"name": "all", "kind": "reprocess"})
    assert (status, answer["field"]) == (400, "parameters")
    run_id = runner.begin(kind="reprocess", parameters={"status": "READY"})
    runner.settle()
    assert runner.outcomes(run_id) == {"good.jpg": ("done", None)}
    timeline = runner("GET", "/api/v1/items/good/timeline")[1]["data"]
    assert "reprocess" in [entry["event"] for entry in timeline]
    assert runner.run(run_id)["state"] == "succeeded"


def test_reprocess_says_which_items_there_are_not(runner: Runner) -> None:
    runner.world.ingest("alice/good.jpg", jpeg())
    runner.world.ingest("bob/theirs.jpg", jpeg())
    run_id = runner.begin(kind="reprocess", parameters={"item_ids": ["good", "gone", "theirs", "gone"]})
    runner.settle()
    assert runner.outcomes(run_id) == {
        "good.jpg": ("done", None),
        "gone": ("failed", "item_not_found"),
        "theirs": ("failed", "item_not_found"),
    }
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["total"]) == ("partially_succeeded", 3)
    run_id = runner.begin(kind="reprocess", parameters={"item_ids": ["gone"]})
    runner.settle()
    assert runner.run(run_id)["state"] == "failed"


def test_retry_does_what_failed_only(runner: Runner) -> None:
    run_id = runner.begin()
    status, answer = runner("POST", f"{RUNS}/{run_id}/retry")
    assert (status, answer["code"]) == (409, "run_is_open")
    runner.world.run(runner.send(run_id, zipped([*photos(3), ("a.zip", b"PK")]), filename="a.zip"))
    runner.world.sql("UPDATE items SET status = 'FAILED', failure_code = 'worker_lost' WHERE id = '1'")
    runner.settle()
    assert runner.run(run_id)["counts"]["failed"] == 2
    status, again = runner("POST", f"{RUNS}/{run_id}/retry")
    assert (status, again["retry_of"], again["counts"]["total"]) == (201, run_id, 1)
    runner.world.run()
    runner.settle()
    assert runner.outcomes(again["id"]) == {"photos/1.jpg": ("done", None)}, "a nested archive stays one"
    assert runner.run(again["id"])["state"] == "succeeded"
    assert runner("POST", f"{RUNS}/{again['id']}/retry")[1]["code"] == "nothing_to_retry"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x", "kind": "export_all"}, "kind"),
        ({"name": "x", "parameters": {"a": 1}}, "parameters.a"),
        ({"name": "x", "kind": "exercises", "parameters": {"count": 201}}, "parameters.student_id"),
        (
            {"name": "x", "kind": "exercises", "parameters": {"student_id": "s", "count": 201}},
            "parameters.count",
        ),
        ({"name": "x", "schedule": "* * * * *"}, "schedule"),
        ({"name": "x", "kind": "reprocess", "parameters": {"all": True}, "schedule": "often"}, "schedule"),
        (
            {"name": "x", "kind": "reprocess", "parameters": {"all": True}, "schedule": "0 0 31 2 *"},
            "schedule",
        ),
        ({"name": "x", "collection_id": "00000000-0000-4000-8000-000000000000"}, "collection_id"),
        ({"name": "x", "max_cost_usd": 0}, "max_cost_usd"),
    ],
)
def test_a_job_that_is_wrong_is_refused(runner: Runner, body: dict[str, Any], field: str) -> None:
    status, answer = runner("POST", "/api/v1/jobs", body)
    assert (
        status in (400, 404),
        answer["errors"][0]["field"] if "errors" in answer else answer["field"],
    ) == (True, field)


def test_a_webhook_is_told_once_how_a_run_has_ended(runner: Runner) -> None:
    events = ["run.succeeded", "run.failed"]
    assert runner("POST", "/api/v1/webhooks", {"url": "https://hooks.invalid/", "events": events})[0] == 201
    good, bad = runner.begin(), runner.begin(kind="zip_import")
    runner.give(good, jpeg())
    runner.give(bad, jpeg())
    told = (
        "SELECT event, data->>'run_id', data->>'kind', data->>'state', data->>'done'"
        " FROM webhook_deliveries ORDER BY 1"
    )
    assert runner.world.sql(told) == [
        ("run.failed", bad, "zip_import", "failed", "0"),
        ("run.succeeded", good, "ingest", "succeeded", "1"),
    ]


def test_a_job_names_a_webhook_that_is_told_of_its_runs_whatever_else_it_asks_for(runner: Runner) -> None:
    hook = {"url": "https://hooks.invalid/", "events": ["item.failed"]}
    _, asked = runner("POST", "/api/v1/webhooks", hook)
    run_id, other = runner.begin(webhook_id=asked["id"]), runner.begin()
    for each in (run_id, other):
        runner.give(each, jpeg())
    told = "SELECT webhook_id::text, event, data->>'run_id' FROM webhook_deliveries"
    assert runner.world.sql(told) == [(asked["id"], "run.succeeded", run_id)]
    job_id = runner.run(run_id)["job_id"]
    assert runner("GET", f"/api/v1/jobs/{job_id}")[1]["webhook_id"] == asked["id"]
    for missing in ("00000000-0000-4000-8000-000000000000", "none"):
        status, refused = runner("PATCH", f"/api/v1/jobs/{job_id}", {"webhook_id": missing})
        assert (status, refused["errors"][0]["field"] if "errors" in refused else refused["field"]) == (
            404,
            "webhook_id",
        )
    assert runner("DELETE", f"/api/v1/webhooks/{asked['id']}")[0] == 204
    assert runner("GET", f"/api/v1/jobs/{job_id}")[1]["webhook_id"] is None


def test_more_items_than_a_run_takes_are_refused_and_none_is_left_out_in_silence(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "MAX_ITEMS", 1)
    runner.world.sql(
        "INSERT INTO users (id) VALUES ('alice');"
        "INSERT INTO items (user_id, id, key, name, status)"
        " SELECT 'alice', n, n, n, 'READY' FROM generate_series(1, 2) n"
    )
    run_id = runner.begin(kind="reprocess", parameters={"all": True})
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"], run["counts"]["total"]) == ("failed", "too_many_items", 0)
    assert runner.world.sql("SELECT count(*) FROM items WHERE status = 'READY'") == [(2,)]
