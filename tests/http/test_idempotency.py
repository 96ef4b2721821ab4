"""Idempotency-Key: what is sent twice is made once, and answered alike."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from chalice.test import Client, HTTPResponse

import app
from chalicelib import wiring
from chalicelib.api.http.answering import _respond
from chalicelib.api.http.idempotency import respond_once
from chalicelib.api.http.routes import Query, Request
from chalicelib.api.library.uploads import NewUpload
from chalicelib.errors import InFlight, KeyReused
from chalicelib.ops.idempotency import KeyClaim, StoredResponse, claim_key
from tests.support.world import World, jpeg

NEW = {"filename": "a.jpg", "content_type": "image/jpeg", "size_bytes": 9}
Post = Callable[..., HTTPResponse]
UPLOADS = next(r for r in app.app.declared if (r.method, r.path) == ("POST", "/api/v1/uploads"))


@pytest.fixture
def post(world: World, tmp_path: Path) -> Post:
    app.edge.cache_clear()
    client = Client(app.app, project_dir=str(tmp_path))

    def send(body: Any, *, key: str | None = "k-1", path: str = "/api/v1/uploads") -> HTTPResponse:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key is not None else {})
        return client.http.post(path, headers=headers, body=json.dumps(body).encode())

    return send


def uploads(world: World) -> int:
    return int(world.sql("SELECT count(*) FROM uploads")[0][0])


def as_user(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANONYMOUS_USER", name)
    wiring.settings.forget()


def request(body: NewUpload, key: str = "k-1") -> Request:
    return Request(
        path={},
        query=Query(),
        body=body,
        headers={"idempotency-key": key},
        user_id="alice",
        request_id="r",
        base_url="",
        creation_id=uuid4(),
    )


UNKEYED = {
    "/api/v1/search": "makes nothing",
    "/api/v1/registration": "public, so that there is nobody to keep a key for; the address is the key",
    "/api/v1/accounts": "public; a link is good once",
    "/api/v1/password": "public; a link is good once",
    "/api/v1/verifications": "public; a link is good once",
    "/api/v1/password-resets": "makes nothing; a mail may come twice",
    "/api/v1/invitations": "makes nothing; a mail may come twice",
    "/api/v1/me/email": "makes nothing; a mail may come twice",
    "/api/v1/sessions": "answers tokens, which are never stored",
    "/api/v1/sessions/refresh": "answers tokens, which are never stored",
    "/api/v1/api-keys": "answers a key, which is never stored",
    "/api/v1/webhooks": "answers a secret, which no answer has twice",
    "/api/v1/webhooks/{webhook_id}/secret": "answers a secret, which no answer has twice",
    "/api/v1/webhooks/{webhook_id}/deliveries/redeliver": "makes nothing; the receiver knows the ids",
    "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": "makes nothing; the receiver knows the id",
    "/api/v1/uploads/{upload_id}/parts": "makes nothing",
    "/api/v1/uploads/{upload_id}/complete": "safe to repeat by itself",
    "/api/v1/runs/cancel": "safe to repeat by itself",
    "/api/v1/runs/{run_id}/cancel": "safe to repeat by itself",
    "/api/v1/runs/{run_id}/upload-complete": "safe to repeat by itself",
}


def test_all_that_creates_takes_a_key() -> None:
    """A POST that takes none is named above, with the reason."""
    posts = {route.path: route.keyed for route in app.app.declared if route.method == "POST"}
    assert {path for path, keyed in posts.items() if not keyed} == set(UNKEYED)


def test_a_replay_is_equal_byte_by_byte(world: World, post: Post) -> None:
    first, second = post(NEW), post(dict(reversed(NEW.items())))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.body == second.body
    assert first.headers["Content-Type"] == second.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert uploads(world) == 1
    assert post(NEW, key="k-2").body != first.body
    assert post(NEW, key=None).body != first.body
    assert uploads(world) == 3


def test_fifty_at_once_make_one_row(world: World) -> None:
    body = NewUpload(**NEW)

    def send(_: int) -> bytes | str:
        try:
            return respond_once(UPLOADS, request(body), _respond).body
        except InFlight:
            return "in flight"

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send, range(50)))
    assert uploads(world) == 1
    assert len(set(answers) - {"in flight"}) == 1
    assert send(0) in answers


def test_another_payload_or_another_route_under_the_key_is_refused(world: World, post: Post) -> None:
    post(NEW)
    other = post(NEW | {"size_bytes": 10})
    assert (other.status_code, json.loads(other.body)["code"]) == (422, "idempotency_key_reused")
    world.ingest("alice/b.jpg", jpeg())
    assert post({}, path="/api/v1/items/b/reprocess").status_code == 422
    assert (uploads(world), world.item("b")["status"]) == (2, "READY")


def test_while_it_is_answered_it_is_in_flight(world: World, post: Post) -> None:
    inner: list[HTTPResponse] = []
    respond_once(
        UPLOADS, request(NewUpload(**NEW)), lambda *asked: (inner.append(post(NEW)), _respond(*asked))[1]
    )
    assert (inner[0].status_code, json.loads(inner[0].body)["code"]) == (409, "request_in_flight")
    assert 0 < int(inner[0].headers["Retry-After"]) <= 35
    assert post(NEW).status_code == 201
    assert uploads(world) == 1


def test_anothers_key_is_another_key(world: World, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    alices = post(NEW)
    as_user("bob", monkeypatch)
    bobs = post(NEW)
    assert (bobs.status_code, uploads(world)) == (201, 2)
    assert "Idempotency-Replayed" not in bobs.headers
    assert json.loads(bobs.body)["key"].startswith("bob/")
    assert bobs.body != alices.body


def test_killed_between_effect_and_answer_the_retry_finds_the_row(world: World, post: Post) -> None:
    class Killed(BaseException):
        """Ends a request like a SIGKILL: no exception handler sees it."""

    def respond_and_die(*asked: Any) -> Any:
        _respond(*asked)
        raise Killed

    with pytest.raises(Killed):
        respond_once(UPLOADS, request(NewUpload(**NEW)), respond_and_die)
    assert uploads(world) == 1
    assert post(NEW).status_code == 409, "the dead one's lock still runs"
    world.sql("UPDATE idempotency_keys SET locked_until = now() - interval '1 s'")
    retried = post(NEW)
    assert (retried.status_code, uploads(world)) == (201, 1)
    assert json.loads(retried.body)["id"] == str(world.sql("SELECT id FROM uploads")[0][0])
    assert post(NEW).body == retried.body


def test_a_refusal_is_not_kept(world: World, post: Post) -> None:
    wrong = NEW | {"content_type": "text/plain"}
    assert [post(wrong).status_code, post(wrong).status_code, post(NEW).status_code] == [400, 400, 201]


def test_after_a_day_the_key_is_new(world: World, post: Post) -> None:
    first = post(NEW)
    world.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    assert post(NEW).body != first.body
    assert post(NEW | {"size_bytes": 10}).status_code == 422
    assert uploads(world) == 2
    world.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    world.sweep()
    assert world.sql("SELECT count(*) FROM idempotency_keys") == [(0,)]


@pytest.mark.parametrize("key", ["", "with space", "ü", "x" * 256, "a\x00b"])
def test_a_key_must_be_visible_ascii(post: Post, key: str) -> None:
    answer = post(NEW, key=key)
    assert (answer.status_code, json.loads(answer.body)["field"]) == (400, "Idempotency-Key")


def test_a_claim_whose_acknowledgement_was_lost_knows_itself(world: World) -> None:
    """The transaction is run again whole after its commit; another request meanwhile is in flight."""

    class Repeating:
        def transact(self, user_id: str, work: Any) -> Any:
            world.db.transact(user_id, work)
            return world.db.transact(user_id, work)

    claim = claim_key("alice", "k", fingerprint="f", db=Repeating())  # type: ignore[arg-type]
    assert isinstance(claim, KeyClaim)
    with pytest.raises(InFlight):
        claim_key("alice", "k", fingerprint="f", db=world.db)
    with pytest.raises(KeyReused):
        claim_key("alice", "k", fingerprint="g", db=world.db)


def test_an_answer_comes_too_late_when_another_has_taken_over(world: World) -> None:
    from chalicelib.ops.idempotency import store_response

    late = claim_key("alice", "k", fingerprint="f", db=world.db)
    world.sql("UPDATE idempotency_keys SET locked_until = now() - interval '1 s'")
    heir = claim_key("alice", "k", fingerprint="f", db=world.db)
    assert isinstance(late, KeyClaim) and isinstance(heir, KeyClaim)
    assert late.creation_id == heir.creation_id
    for claim, body in ((heir, "heir's"), (late, "late")):
        store_response(claim, StoredResponse(status=201, headers={}, body=body), db=world.db)
    kept = claim_key("alice", "k", fingerprint="f", db=world.db)
    assert isinstance(kept, StoredResponse) and kept.body == "heir's"
