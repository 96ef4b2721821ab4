"""Large files are uploaded in parts: each as signed, in any order, again, resumed, given up, forgotten."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.ingest import files
from tests.support.emulated import BUCKET, emulated_aws
from tests.support.library_api import Api, send, send_part
from tests.support.long_pdf import make_long_pdf
from tests.support.world import World, count_no_requests

MIB = 1024 * 1024
BODY = make_long_pdf(["The first page", "The second page"], image_px=2300)
NEW = {"filename": "a.pdf", "content_type": "application/pdf", "size_bytes": len(BODY)}


@pytest.fixture
def api(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    count_no_requests(monkeypatch)
    monkeypatch.setattr(files, "PARTS_ABOVE_BYTES", MIB)
    monkeypatch.setattr(files, "PART_BYTES", 5 * MIB)
    app.edge.cache_clear()
    world.aws.make_rule("objects", world.aws.make_queue("objects"), EventPattern='{"source": ["aws.s3"]}')
    return Api(Client(app.app, project_dir=str(tmp_path)))


def parts_of(body: bytes) -> dict[int, bytes]:
    size = files.PART_BYTES
    return {n + 1: body[n * size : (n + 1) * size] for n in range(-(-len(body) // size))}


def announce(api: Api, **changes: Any) -> dict[str, Any]:
    status, upload, _ = api("POST", "/api/v1/uploads", NEW | changes)
    assert (status, upload["method"]) == (201, "PUT")
    return upload  # type: ignore[no-any-return]


def send_all(upload: dict[str, Any], body: bytes = BODY) -> list[dict[str, Any]]:
    """Send all parts; return the body that completes the upload."""
    bodies, sent = parts_of(body), list(upload["sent"])
    for part in reversed(upload["parts"]):
        etag = send_part(part["url"], bodies[part["number"]])
        sent.append({"number": part["number"], "etag": etag})
    return sent


def complete(api: Api, upload: dict[str, Any], parts: list[dict[str, Any]]) -> tuple[int, Any]:
    status, answer, _ = api("POST", upload["complete_url"], {"parts": parts})
    return status, answer


def pending_parts(world: World) -> list[str]:
    listed = world.aws.client("s3").list_multipart_uploads(Bucket=BUCKET)
    return [each["Key"] for each in listed.get("Uploads", ())]


def test_a_large_file_becomes_an_item(world: World, api: Api) -> None:
    upload = announce(api, sha256=hashlib.sha256(BODY).hexdigest())
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3]
    assert (upload["part_size_bytes"], upload["sent"]) == (5 * MIB, [])
    status, state = complete(api, upload, send_all(upload))
    assert (status, state["status"]) == (200, "pending")
    (event,) = world.aws.received("objects")
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["etag"].endswith("-3")
    world.run(event)
    world.heal()
    item = world.item("a")
    assert (item["status"], item["sha256"]) == ("READY", hashlib.sha256(BODY).hexdigest())
    assert item["etag"].endswith("-3")
    assert world.sql("SELECT generation FROM items") == [(1,)]
    assert world.sql("SELECT status, multipart_id FROM uploads") == [("received", None)]
    assert complete(api, upload, [{"number": 1, "etag": "0" * 32}])[1]["item_id"] == "a"
    assert api("DELETE", "/api/v1/items/a")[0] == 204
    assert world.objects() == []


def test_it_survives_a_restart_of_the_emulator(tmp_path: Path) -> None:
    with emulated_aws(tmp_path) as aws:
        s3 = aws.client("s3")
        upload = {"Bucket": BUCKET, "Key": "a"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
            for n, body in enumerate([b"x" * 5 * MIB, b"y"], start=1)
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        before = s3.head_object(Bucket=BUCKET, Key="a")
    with emulated_aws(tmp_path) as aws:
        after = aws.client("s3").head_object(Bucket=BUCKET, Key="a")
    assert (after["ETag"], after["ContentLength"]) == (before["ETag"], 5 * MIB + 1)
    assert after["ETag"].endswith('-2"')


def test_a_url_takes_one_part_of_its_size_in_its_time(world: World, api: Api) -> None:
    upload = announce(api)
    bodies = parts_of(BODY)
    url = upload["parts"][2]["url"]
    assert send(url, bodies[3] + b"x") == (403, "SignatureDoesNotMatch")
    assert send(url, bodies[3][:-1]) == (403, "SignatureDoesNotMatch")
    for changed in (
        url.replace("partNumber=3", "partNumber=1"),
        url.replace("partNumber=3&", ""),
        url.replace("a.pdf", "b.pdf"),
        url.replace("uploadId=", "uploadId=x"),
        url.replace("/alice/", "/bob/"),
    ):
        assert changed != url
        assert send(changed, bodies[3])[0] == 403
    assert send(url, b"", method="DELETE")[0] == 403
    world.aws.clock.moved_s = 901
    assert send(url, bodies[3]) == (403, "AccessDenied")
    assert world.objects() == []


def test_what_was_not_sent_can_be_sent_after_the_urls_have_expired(world: World, api: Api) -> None:
    upload = announce(api)
    assert send(upload["parts"][1]["url"], parts_of(BODY)[2])[0] == 200
    world.sql("UPDATE uploads SET expires_at = now() - interval '30 minutes'")
    world.aws.clock.moved_s = 1800
    assert send(upload["parts"][0]["url"], parts_of(BODY)[1]) == (403, "AccessDenied")
    world.aws.clock.moved_s = 0
    status, again, _ = api("POST", f"/api/v1/uploads/{upload['id']}/parts")
    assert status == 200 and again["id"] == upload["id"]
    assert [part["number"] for part in again["parts"]] == [1, 3]
    assert again["sent"] == [{"number": 2, "etag": hashlib.md5(parts_of(BODY)[2]).hexdigest()}]
    assert again["expires_at"] > datetime.now(UTC).isoformat()
    assert complete(api, again, send_all(again))[0] == 200
    world.run(*world.aws.received("objects"))
    assert world.item("a")["size_bytes"] == len(BODY)
    done = api("POST", f"/api/v1/uploads/{upload['id']}/parts")
    assert (done[0], done[1]["parts"], done[1]["sent"]) == (200, [], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent[:2],
        lambda sent: [*sent, {"number": 4, "etag": "0" * 32}],
        lambda sent: [*sent, sent[0]],
        lambda sent: [*sent[:2], {"number": 1, "etag": "0" * 32}],
        lambda sent: [*sent[:2], {"number": 1, "etag": sent[0]["etag"]}],
    ],
)
def test_wrong_parts_are_refused_and_right_ones_then_taken(world: World, api: Api, change: Any) -> None:
    upload = announce(api)
    sent = send_all(upload)
    status, problem = complete(api, upload, change(sent))
    assert (status, problem["field"]) == (400, "parts")
    assert world.objects() == []
    assert complete(api, upload, sent)[0] == 200


@pytest.mark.parametrize(
    "parts",
    [[], [{"number": 0, "etag": "0" * 32}], [{"number": 1, "etag": "</x>"}], [{"number": 1}], "all", None],
)
def test_what_are_no_parts_is_refused(api: Api, parts: Any) -> None:
    upload = announce(api)
    status, problem = complete(api, upload, parts)
    assert (status, problem["field"][:5]) == (400, "parts")


def test_completing_again_is_answered_alike(world: World, api: Api) -> None:
    """Also when the first answer was lost before it was written down."""
    upload = announce(api)
    sent = send_all(upload)
    (kept,) = world.sql("SELECT multipart_id FROM uploads")
    first = complete(api, upload, sent)
    assert complete(api, upload, sent) == first
    for known in (kept[0], "forgotten-by-s3"):
        world.sql(f"UPDATE uploads SET multipart_id = '{known}'")
        assert complete(api, upload, sent) == first
    assert len(world.aws.received("objects")) == 1
    world.aws.client("s3").delete_object(Bucket=BUCKET, Key=upload["key"])
    world.sql(f"UPDATE uploads SET multipart_id = '{kept[0]}'")
    assert complete(api, upload, sent)[0] == 409
    assert api("POST", f"/api/v1/uploads/{upload['id']}/parts")[0] == 409


def test_other_sizes_and_bytes_than_announced_are_refused(world: World, api: Api) -> None:
    upload = announce(api, sha256="0" * 64)
    assert complete(api, upload, send_all(upload))[0] == 200
    world.run(*world.aws.received("objects"))
    assert world.item("a")["failure_code"] == "checksum_mismatch"
    upload = announce(api, filename="b.pdf")
    world.run(world.put(upload["key"], BODY[:-1]))
    assert world.item("b")["failure_code"] == "size_mismatch"


@pytest.mark.parametrize("in_parts", [True, False])
def test_an_upload_given_up_leaves_nothing(world: World, api: Api, in_parts: bool) -> None:
    size_bytes = len(BODY) if in_parts else 100
    _, upload, _ = api("POST", "/api/v1/uploads", NEW | {"size_bytes": size_bytes})
    path = f"/api/v1/uploads/{upload['id']}"
    if in_parts:
        send_all(upload)
        assert pending_parts(world) == [upload["key"]]
    assert api("DELETE", path)[0] == 204
    assert (pending_parts(world), api("DELETE", path)[0], api("GET", path)[0]) == ([], 404, 404)
    late = world.put(upload["key"], BODY[:size_bytes])  # by a form that was still valid
    world.run(late)
    assert world.sql("SELECT count(*) FROM items") == [(0,)]
    world.sql("UPDATE object_deletions SET created_at = now()")  # an hour has passed
    world.sweep()
    assert world.objects() == []


def test_what_has_arrived_is_not_given_up(world: World, api: Api) -> None:
    upload = announce(api)
    assert complete(api, upload, send_all(upload))[0] == 200
    world.run(*world.aws.received("objects"))
    assert api("DELETE", f"/api/v1/uploads/{upload['id']}")[0] == 409
    assert world.objects() != []


def test_parts_that_nobody_completes_are_removed(world: World, api: Api) -> None:
    upload, kept = announce(api), announce(api, filename="b.pdf")
    send_all(upload)
    world.sql(f"UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE id = '{upload['id']}'")
    later = {"time": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()}
    handlers.five_minutes_passed(later)
    assert pending_parts(world) == [kept["key"]]
    assert api("GET", f"/api/v1/uploads/{upload['id']}")[1]["status"] == "expired"
    for answer in (
        complete(api, upload, [{"number": n, "etag": "0" * 32} for n in (1, 2, 3)]),
        api("POST", f"/api/v1/uploads/{upload['id']}/parts"),
    ):
        assert (answer[0], answer[1]["code"]) == (409, "conflict")
    assert world.sql("SELECT count(*) FROM uploads WHERE multipart_id IS NOT NULL") == [(1,)]


def test_announced_twice_at_once_it_has_one_set_of_parts(world: World, api: Api) -> None:
    upload = announce(api)
    from chalicelib.ops.ingest import uploads

    row = world.db.transact("alice", lambda tx: uploads.uploads.get(tx, "alice", upload["id"]))
    again = uploads._begin(row, db=world.db, blobs=wiring.blobs())
    assert again == row.multipart_id
    assert pending_parts(world) == [upload["key"]]


def test_an_upload_that_is_whole_has_no_parts(world: World, api: Api) -> None:
    _, upload, _ = api("POST", "/api/v1/uploads", NEW | {"size_bytes": MIB})
    assert (upload["method"], len(upload["fields"]) > 3) == ("POST", True)
    path = f"/api/v1/uploads/{upload['id']}"
    assert api("POST", f"{path}/parts")[0] == 409
    assert complete(api, {"complete_url": f"{path}/complete"}, [{"number": 1, "etag": "0" * 32}])[0] == 409


@pytest.mark.parametrize("upload_id", ["never-was", "00000000-0000-4000-8000-000000000000", "%27"])
def test_an_upload_that_never_was(api: Api, upload_id: str) -> None:
    path = f"/api/v1/uploads/{upload_id}"
    assert api("POST", f"{path}/parts")[0] == 404
    assert api("DELETE", path)[0] == 404
    assert complete(api, {"complete_url": f"{path}/complete"}, [{"number": 1, "etag": "0" * 32}])[0] == 404
