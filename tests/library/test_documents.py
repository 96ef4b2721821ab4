"""Documents over the API: sent in a body, found by hash, listed, read page by page, deleted."""

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from chalice.test import Client, HTTPResponse

import app
from chalicelib import errors, wiring
from chalicelib.events import handlers
from chalicelib.ops.library import documents
from tests.support.emulated import BUCKET
from tests.support.library_api import Api
from tests.support.sample_api import rest_event
from tests.support.world import World, jpeg

PATH = "/api/v1/documents"
PDF = (Path(__file__).parents[2] / "samples" / "balcony-tomatoes.pdf").read_bytes()
HASH = hashlib.sha256(PDF).hexdigest()
Send = Callable[..., HTTPResponse]


@pytest.fixture
def send(world: World, tmp_path: Path) -> Send:
    app.edge.cache_clear()
    client = Client(app.app, project_dir=str(tmp_path))

    def post(
        body: bytes = PDF, name: str | None = "tomatoes.pdf", *, type_: str = documents.PDF, key: str = ""
    ) -> HTTPResponse:
        headers = {"Content-Type": type_} | ({"Idempotency-Key": key} if key else {})
        query = f"?filename={quote(name)}" if name is not None else ""
        return client.http.post(PATH + query, headers=headers, body=body)

    return post


def s3_event(world: World, key: str) -> dict[str, Any]:
    """Return S3's event of an existing object."""
    body = world.aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return world.put(key, body)


def uploaded(world: World) -> list[str]:
    return [key for key in world.objects() if not key.startswith("_derived/")]


def test_a_pdf_in_the_body_becomes_a_document_and_is_processed(world: World, api: Api, send: Send) -> None:
    answer = send()
    made = json.loads(answer.body)
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{PATH}/tomatoes")
    assert (made["document_id"], made["filename"], made["file_hash"]) == ("tomatoes", "tomatoes.pdf", HASH)
    assert (made["status"], made["page_count"], made["failure"]) == ("PENDING", None, None)
    assert made["metadata"]["size_bytes"] == len(PDF)
    assert api("GET", f"{PATH}/tomatoes")[1] == made
    (key,) = uploaded(world)
    assert world.sql("SELECT key, status, sha256 FROM uploads") == [(key, "received", HASH)]

    world.run(s3_event(world, key))
    read = api("GET", f"{PATH}/tomatoes")[1]
    assert (read["status"], read["metadata"]["media_type"]) == ("READY", "application/pdf")
    assert read["page_count"] > 1 and read["metadata"]["title"]
    assert world.sql("SELECT count(*) FROM items") == [(1,)]
    _, _, headers = api("GET", f"{PATH}/tomatoes/file")
    with urlopen(headers["Location"], timeout=10) as file:
        assert file.read() == PDF


def test_as_api_gateway_hands_it_over(world: World) -> None:
    """Bodies in base64, in both directions."""
    app.edge.cache_clear()
    event = rest_event("POST", PATH, multiValueQueryStringParameters={"filename": ["t.pdf"]})
    event["headers"]["Content-Type"] = documents.PDF
    event |= {"body": base64.b64encode(PDF).decode(), "isBase64Encoded": True}
    answer = app.app(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["file_hash"]) == (201, HASH)
    (key,) = uploaded(world)
    world.run(s3_event(world, key))
    event = rest_event("GET", f"{PATH}/{{document_id}}/pages/{{n}}/image")
    answer = app.app(event | {"pathParameters": {"document_id": "t", "n": "1"}}, None)
    assert answer["isBase64Encoded"] and base64.b64decode(answer["body"]).startswith(b"\xff\xd8\xff")


def test_a_name_on_two_lines_is_taken(world: World, send: Send) -> None:
    answer = send(name="two\r\nlines.pdf")
    assert (answer.status_code, json.loads(answer.body)["filename"]) == (201, "two__lines.pdf")


def test_the_same_bytes_are_one_document(world: World, send: Send) -> None:
    first, again = send(), send(name="other.pdf")
    assert (first.status_code, again.status_code) == (201, 200)
    assert json.loads(again.body) == json.loads(first.body)
    assert again.headers["Location"] == first.headers["Location"]
    assert len(uploaded(world)) == 1


def test_the_same_bytes_are_a_document_of_each_user(world: World, send: Send) -> None:
    world.ingest("bob/bobs-own.pdf", PDF)
    answer = send()
    assert (answer.status_code, "bob" in answer.body.decode()) == (201, False)
    assert world.sql("SELECT user_id, id FROM items ORDER BY 1") == [
        ("alice", "tomatoes"),
        ("bob", "bobs-own"),
    ]


def test_the_same_bytes_at_once_are_one_document(world: World) -> None:
    def create(number: int) -> tuple[str, bool]:
        row, is_new = documents.create_document(
            "alice",
            folder=f"f{number}",
            filename="t.pdf",
            body=PDF,
            max_stored_bytes=None,
            db=world.db,
            blobs=blobs,
        )
        return row.document_id, is_new

    blobs = wiring.blobs()
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(create, range(6)))
    assert len({document_id for document_id, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1
    assert world.sql("SELECT count(*) FROM items") == [(1,)]
    world.run(*[s3_event(world, key) for key in uploaded(world)])
    assert world.sql("SELECT status FROM items") == [("READY",)]


def test_s3s_own_event_changes_nothing_whenever_it_comes(world: World, api: Api, send: Send) -> None:
    send()
    (key,) = uploaded(world)
    world.run(s3_event(world, key))
    before = world.sql("SELECT to_jsonb(i), (SELECT count(*) FROM chunks) FROM items i")
    world.run(s3_event(world, key))
    assert world.sql("SELECT to_jsonb(i), (SELECT count(*) FROM chunks) FROM items i") == before


def test_an_object_that_was_written_and_not_registered_is_found(
    world: World, api: Api, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(documents, "register_bytes", die)
        with pytest.raises(KeyboardInterrupt):
            send(key="k-1")
    assert api("GET", PATH)[1]["data"] == []
    world.heal()
    (found,) = api("GET", PATH)[1]["data"]
    assert (found["status"], found["file_hash"]) == ("READY", HASH)


def test_sent_again_under_its_key_it_is_answered_alike(world: World, send: Send) -> None:
    first, again = send(key="k"), send(key="k")
    assert (first.body, again.headers["Idempotency-Replayed"]) == (again.body, "true")
    other = send(PDF + b"\n", key="k")
    assert (other.status_code, json.loads(other.body)["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"body": b"GIF89a" + PDF}, 422, "unsupported_format", None),
        ({"body": b""}, 400, "empty_body", None),
        ({"type_": "application/json"}, 415, "unsupported_media_type", None),
        ({"type_": ""}, 415, "unsupported_media_type", None),
        ({"name": None}, 400, "invalid_input", "filename"),
        ({"name": ".."}, 400, "invalid_input", "filename"),
        ({"name": "x" * 256}, 400, "invalid_input", "filename"),
        ({"body": b"%PDF-1.7" + bytes(10 * 1024 * 1024)}, 413, "too_large", None),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    world: World, send: Send, change: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = send(**change)
    problem = json.loads(answer.body)
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field)
    if status == 413:
        assert "POST /api/v1/uploads" in problem["detail"]
        assert answer.headers["Link"] == '</api/v1/uploads>; rel="alternate"'
    assert world.objects() == []
    assert world.sql("SELECT count(*) FROM uploads") == [(0,)]


def test_ten_megabytes_are_taken(world: World, send: Send) -> None:
    assert send(PDF + bytes(10 * 1024 * 1024 - len(PDF)), type_="Application/PDF; x=y").status_code == 201


def test_a_pdf_after_a_mails_header_is_taken(world: World, api: Api, send: Send) -> None:
    before = b"Content-Type: application/pdf\r\n\r\n"
    assert send(before + PDF).status_code == 201
    (key,) = uploaded(world)
    world.run(s3_event(world, key))
    assert api("GET", f"{PATH}/tomatoes")[1]["status"] == "READY"


def test_a_file_that_cannot_be_read_is_a_document_that_failed(world: World, api: Api, send: Send) -> None:
    broken = PDF[:200]
    send(broken, name="letter")
    (key,) = uploaded(world)
    world.run(s3_event(world, key))
    world.ingest("alice/by-name.PDF", b"no pdf at all")
    failed = {each["document_id"]: each["failure"]["code"] for each in api("GET", PATH)[1]["data"]}
    assert failed == {"letter": "truncated", "by-name": "unsupported_format"}
    assert send(broken, name="again").status_code == 200
    status, problem, _ = api("GET", f"{PATH}/letter/pages/1")
    assert (status, problem["code"]) == (409, "not_readable")
    assert "cut off" in problem["detail"]


def test_one_that_failed_in_passing_gets_another_chance(world: World, api: Api, send: Send) -> None:
    send()
    world.sql("UPDATE items SET status = 'FAILED', failure_code = 'unavailable', failure_message = 'x'")
    world.sql("UPDATE tasks SET state = 'failed'")
    assert send(name="again.pdf").status_code == 200
    handlers.minute_passed()
    world.run(*world.published())
    assert api("GET", f"{PATH}/tomatoes")[1]["status"] == "READY"


def test_documents_are_listed_filtered_and_no_images(world: World, api: Api, send: Send) -> None:
    world.ingest("alice/photo.jpg", jpeg())
    for name in ("one.pdf", "two_2%.pdf", "three.pdf"):
        send(PDF + name.encode(), name=name)
    first = api("GET", f"{PATH}?limit=2")[1]
    rest = api("GET", f"{PATH}?limit=2&after={first['next']}")[1]
    names = [each["filename"] for each in first["data"] + rest["data"]]
    assert (names, rest["has_more"]) == (["three.pdf", "two_2%.pdf", "one.pdf"], False)
    assert [d["document_id"] for d in api("GET", f"{PATH}?text=2%25")[1]["data"]] == ["two_2%"]
    assert api("GET", f"{PATH}?status=READY")[1]["data"] == []
    assert len(api("GET", f"{PATH}?status=PENDING")[1]["data"]) == 3
    _, garden, _ = api("POST", "/api/v1/collections", {"name": "Garden"})
    _, kitchen, _ = api("POST", "/api/v1/collections", {"name": "Kitchen"})
    api("POST", f"/api/v1/collections/{garden['id']}/items", {"item_ids": ["one", "photo"]})
    api("POST", f"/api/v1/collections/{kitchen['id']}/items", {"item_ids": ["three"]})
    found = api("GET", f"{PATH}?collection_id={garden['id']}")[1]["data"]
    assert [each["document_id"] for each in found] == ["one"]
    assert api("GET", f"{PATH}?collection_id=never-was")[1]["field"] == "collection_id"


@pytest.mark.parametrize("typed", ["caf\u00e9", "CAFE\u0301"])
def test_a_name_is_found_however_its_accents_are_written(api: Api, send: Send, typed: str) -> None:
    for number, name in enumerate(("Cafe\u0301 1.pdf", "Caf\u00e9 2.pdf", "Cafe 3.pdf")):
        send(PDF + bytes(number + 1), name=name)
    for path in (PATH, "/api/v1/items"):
        assert len(api("GET", f"{path}?text={quote(typed)}")[1]["data"]) == 2


def test_one_is_found_by_its_hash(api: Api, send: Send) -> None:
    send()
    assert api("GET", f"{PATH}/by-hash/{HASH}")[1]["document_id"] == "tomatoes"
    assert api("GET", f"{PATH}/by-hash/{'0' * 64}")[0] == 404
    for wrong in (HASH[:-1], HASH.upper(), HASH + "0", f"{HASH}%0A", "x"):
        status, problem, _ = api("GET", f"{PATH}/by-hash/{wrong}")
        assert (status, problem["field"]) == (400, "file_hash")


def test_an_image_is_no_document(world: World, api: Api) -> None:
    world.ingest("alice/photo.jpg", jpeg())
    for path in ("", "/file", "/pages/1", "/pages/1/image"):
        assert api("GET", f"{PATH}/photo{path}")[0] == 404, path
    assert api("DELETE", f"{PATH}/photo")[0] == 404
    assert api("GET", "/api/v1/items/photo")[0] == 200


def test_a_document_is_deleted_with_its_file(world: World, api: Api, send: Send) -> None:
    send()
    (key,) = uploaded(world)
    world.run(s3_event(world, key))
    assert api("DELETE", f"{PATH}/tomatoes")[0] == 204
    assert api("GET", f"{PATH}/tomatoes")[0] == 404
    assert world.objects() == []
    assert send().status_code == 201


def test_bytes_that_are_no_pdf_are_refused_before_anything_is_asked(world: World) -> None:
    with pytest.raises(errors.BadFile):
        documents.create_document(
            "alice",
            folder="f",
            filename="a.pdf",
            body=b"%!PS",
            max_stored_bytes=None,
            db=world.db,
            blobs=None,  # type: ignore[arg-type]
        )
