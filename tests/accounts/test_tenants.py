"""One user's keys, cursors, bytes and events give another user nothing; logs have no content."""

import json
import re

import pytest

from tests.support.emulated import BUCKET
from tests.support.hall import SEARCH, UPLOAD, Hall, tells_of
from tests.support.hall_routes import NEW, PRIVATE, ROUTES, requests
from tests.support.world import jpeg


def test_an_idempotency_key_is_one_users(hall: Hall) -> None:
    for route in PRIVATE:
        if not route.keyed:
            continue
        path, body = requests(route, hall.ids["alice"])[0]
        first, again = (hall.ask("alice", route, path, body, route.path) for _ in range(2))
        assert (first.text, again.headers["Idempotency-Replayed"]) == (again.text, "true")
        others = hall.ask("bob", route, path, body, route.path)
        assert "Idempotency-Replayed" not in others.headers
        # Some bodies name a thing of the one who sent it first.
        own_ids = [value for name, value in hall.ids["alice"].items() if name.endswith("_id")]
        names_a_thing = path or any(each in str(body) for each in own_ids)
        assert others.status == (404 if names_a_thing else first.status)
        assert not tells_of("alice", others)


def test_a_cursor_of_anothers_leads_to_ones_own(hall: Hall) -> None:
    newest = hall.make_ids("alice")["item_id"]
    hall.be("alice")
    page = json.loads(hall.client.http.get("/api/v1/items?limit=1").body)
    assert [item["id"] for item in page["data"]] == [newest]
    hall.be("bob")
    page = json.loads(hall.client.http.get(f"/api/v1/items?after={page['next']}").body)
    assert {item["id"][:9] for item in page["data"]} == {"bobsecret"}


def test_the_same_bytes_are_an_item_of_each(hall: Hall) -> None:
    ids = {"item_id": "bobsecret-same"}
    known = {**NEW, "filename": "x.jpg", "sha256": hall.ids["alice"]["sha256"]}
    key = hall.world.item(hall.ids["alice"]["item_id"])["key"]
    body = hall.world.aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert hall.ask("bob", UPLOAD, {}, known).status == 201
    hall.world.ingest("bob/bobsecret-same.jpg", body)
    assert json.loads(hall.ask("bob", UPLOAD, {}, known).text)["item"]["id"] == ids["item_id"]
    before = hall.rows("alice")
    (delete,) = [route for route in ROUTES if route.handler.__name__ == "delete_item"]
    assert hall.ask("bob", delete, ids, None).status == 204
    assert hall.rows("alice") == before
    assert key in hall.world.objects()


def test_an_event_that_mixes_users_changes_nothing(hall: Hall) -> None:
    before = hall.rows("alice"), hall.rows("bob")
    item_id = hall.ids["bob"]["item_id"]
    detail = {"user_id": "alice", "item_id": item_id, "bucket": BUCKET}
    # Named by its key, bob's own object is looked at once more, as after a second event of S3's.
    for owner_of_key, wake_up in (("alice", set()), ("bob", {"outbox", "item_events"})):
        for event in ("ImageProcessed", "AnalysisComplete"):
            key = f"{owner_of_key}/{item_id}.jpg"
            hall.world.run({"detail-type": event, "detail": {**detail, "original_key": key}})
            assert hall.rows("alice") == before[0], (owner_of_key, event)
            after = hall.rows("bob")
            changed = {table for table in after if after[table] != before[1][table]}
            assert changed <= wake_up, (owner_of_key, event)


def test_logs_have_no_names_texts_or_signatures(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    hall.monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    hall.be("alice")
    hall.world.ingest("alice/alicesecret-broken.jpg", b"alicesecret")
    ids = hall.make_ids("alice")
    # What deletes the account comes last.
    last = sorted(ROUTES, key=lambda route: (route.method, route.path) == ("DELETE", "/api/v1/me"))
    uses = [(route, each) for route in last for each in requests(route, ids)]
    asked = [hall.ask("alice", route, *each) for route, each in uses[:-1]]
    hall.world.providers.fail_with = [503, 503]
    hall.ask("alice", SEARCH, {}, {"query": "alicesecret words"})
    hall.world.ingest("alice/alicesecret-later.jpg", jpeg("white"))
    route, each = uses[-1]
    assert hall.ask("alice", route, *each).status == 202
    signatures = re.findall(r"(?i)x-amz-signature\W+(\w{64})", " ".join(str(each) for each in asked))
    assert len(signatures) >= 3, "a thumbnail, a file, a form"
    logged = capsys.readouterr().err
    assert {json.loads(line)["level"] for line in logged.splitlines()} >= {"INFO", "WARNING", "ERROR"}
    # An item is named by its id, which the guides want to be the file's stem.
    for secret in ("alicesecret words", "It shows", ".jpg", "alice/", *signatures):
        assert secret not in logged
