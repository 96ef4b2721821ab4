"""The operator sees failures and tries them again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.events import handlers
from chalicelib.logs import describe_error
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import POLICIES, Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.stores.ingest import uploads
from chalicelib.stores.work import outbox
from tests.support.emulated import BUCKET
from tests.support.failing import Call, failures, relay_and_run
from tests.support.world import World, jpeg

MAX_ATTEMPTS = POLICIES["analyze"].max_attempts
ALICE_A = ItemRef(user_id="alice", item_id="a")
EVENT_DETAIL = {"item_id": "a", "user_id": "alice", "bucket": BUCKET, "original_key": "alice/a.jpg"}


def letter(event: Any, *, message_id: str = "m-1") -> str:
    """Give an event up as Lambda does."""
    context = {
        "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:collections-local-analyzer:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    response = {"errorType": "OperationalError", "errorMessage": "no route to postgresql://app:hunter22@db/x"}
    handlers.dead_letter(
        message_id,
        json.dumps({"requestContext": context, "requestPayload": event, "responsePayload": response}),
    )
    return message_id


def give_up(world: World, *, times: int = MAX_ATTEMPTS) -> None:
    """The analyzer's provider fails with 500 as often."""
    world.providers.fail_with += [500] * times
    for _ in range(times):
        world.step()
        world.sql("UPDATE tasks SET run_after = now(), woken_at = NULL WHERE state = 'ready'")
        handlers.minute_passed()
    world.providers.fail_with.clear()


def test_a_bad_file(world: World, call: Call) -> None:
    world.ingest("alice/a.jpg", b"garbage")
    (failure,) = failures(call)
    assert failure | {"id": "", "failed_at": ""} == {
        "id": "",
        "kind": "item",
        "status": "failed",
        "user_id": "alice",
        "item_id": "a",
        "run_id": None,
        "stage": "process",
        "reason": "unsupported_format",
        "attempts": 1,
        "last_error": failure["last_error"],
        "failed_at": "",
        "next_attempt_at": None,
    }
    assert failure["last_error"].startswith("BadFile: ")


def test_a_provider_that_stays_away_is_retried_then_given_up_then_redriven(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    give_up(world, times=1)
    (failure,) = failures(call)
    assert (failure["status"], failure["attempts"]) == ("retrying", 1)
    assert failure["next_attempt_at"] is not None
    give_up(world, times=MAX_ATTEMPTS - 1)
    (failure,) = failures(call, "?status=failed&stage=analyze&user_id=alice")
    assert (failure["reason"], failure["attempts"]) == ("unavailable", MAX_ATTEMPTS)
    assert "500" in failure["last_error"]
    assert world.item("a")["failure_message"].startswith("Given up after 8 attempts.")

    status, redriven = call("POST", f"/api/v1/failures/{failure['id']}/redrive")
    assert (status, redriven) == (202, {"object": "redrive", "redriven": 1, "has_more": False})
    assert world.item("a")["status"] == "PENDING"
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[0] == 404
    relay_and_run(world)
    assert world.item("a")["status"] == "READY"
    assert failures(call) == []
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[0] == 404
    assert world.item("a")["status"] == "READY"


def test_a_worker_that_was_lost_is_seen_before_the_sweeper_comes(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    with pytest.raises(KeyboardInterrupt):
        world.do_stage("analyze", ALICE_A, _cut_off)
    assert failures(call) == []
    world.sql("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    (failure,) = failures(call)
    assert (failure["status"], failure["reason"], failure["stage"]) == ("stalled", "worker_lost", "analyze")
    world.sweep()
    assert [found["status"] for found in failures(call)] == ["retrying"]


def _cut_off(claim: Claim) -> WriteResults:
    raise KeyboardInterrupt


def test_a_key_of_ours_that_is_refused_is_seen_while_it_is_retried(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.providers.fail_with.append(401)
    world.run()
    (failure,) = failures(call)
    assert (failure["status"], failure["attempts"]) == ("retrying", 0)


def test_a_dead_letter_is_seen_without_its_secrets_and_redriven(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    letter(world.published()[-1])
    letter(world.published()[-1])
    (failure,) = failures(call)
    assert (failure["kind"], failure["reason"], failure["attempts"]) == ("dead_letter", "RetriesExhausted", 3)
    assert (failure["user_id"], failure["item_id"]) == ("alice", "a")
    assert failure["last_error"].startswith("collections-local-analyzer: OperationalError: no route to ")
    assert "hunter22" not in json.dumps(failure)
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[1]["redriven"] == 1
    relay_and_run(world)
    assert (world.item("a")["status"], failures(call)) == ("READY", [])


def created(bucket: str, key: str) -> dict[str, Any]:
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}


@pytest.mark.parametrize(
    ("event", "items"),
    [
        (created(BUCKET, "alice/a.jpg"), 1),
        ({"detail-type": "ImageProcessed", "detail": EVENT_DETAIL}, 1),
        (created(BUCKET, "nobody"), 0),
        (created("foreign", "alice/a.jpg"), 0),
        ({"detail-type": "Scheduled Event", "detail": {}}, 0),
        ({"detail-type": ["odd"], "detail": "odd"}, 0),
        ("not even an object", 0),
    ],
)
def test_a_dead_letter_of_an_object_we_do_not_know(world: World, call: Call, event: Any, items: int) -> None:
    world.put("alice/a.jpg", jpeg())
    letter(event)
    assert call("POST", "/api/v1/failures/redrive", {"kind": "dead_letter"})[1]["redriven"] == 1
    relay_and_run(world)
    assert world.sql("SELECT count(*) FROM items WHERE status = 'READY'") == [(items,)]
    assert failures(call) == []


def test_an_event_the_bus_refuses_is_seen_and_steps_back(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.sql("UPDATE outbox SET published_at = NULL, locked_until = NULL, attempts = 3")
    (failure,) = failures(call)
    assert (failure["kind"], failure["reason"], failure["attempts"]) == ("event", "not_published", 3)
    claimed = world.db.transact_as_system(lambda tx: outbox.claim_due(tx, limit=10))
    assert len(claimed) == 1
    ((locked_s,),) = world.sql("SELECT extract(epoch FROM locked_until - now())::int FROM outbox")
    assert 200 < locked_s <= 300
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[1]["redriven"] == 1
    relay_and_run(world)
    assert (world.item("a")["status"], failures(call)) == ("READY", [])


def test_an_object_s3_does_not_delete_is_seen_and_lets_the_others_through(world: World, call: Call) -> None:
    world.sql("INSERT INTO object_deletions (user_id, key, attempts) VALUES ('alice', 'alice/a.jpg', 3)")
    (failure,) = failures(call)
    assert (failure["kind"], failure["reason"]) == ("deletion", "object_not_deleted")
    world.db.transact_as_system(lambda tx: uploads.postpone_deletions(tx, ["alice/a.jpg"]))
    assert world.db.transact_as_system(lambda tx: uploads.list_deletions(tx, limit=10)) == {}
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[1]["redriven"] == 1
    world.sweep()
    assert world.sql("SELECT count(*) FROM object_deletions") == [(0,)]


def test_pages_follow_each_other_without_gap_or_overlap(world: World, call: Call) -> None:
    for number in range(5):
        world.ingest(f"alice/{number}.jpg", b"garbage" * (number + 1))
    seen: list[str] = []
    query = "?limit=2"
    while query:
        _, page = call("GET", f"/api/v1/failures{query}")
        seen += [failure["item_id"] for failure in page["data"]]
        query = f"?limit=2&after={page['next']}" if page["has_more"] else ""
    assert seen == ["4", "3", "2", "1", "0"]
    assert call("GET", "/api/v1/failures?limit=0")[1]["field"] == "limit"
    assert call("GET", "/api/v1/failures?after=xyz")[1]["field"] == "after"
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert failures(call, f"?since={later}") == []


def test_only_an_administrator_sees_them(world: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ingest("alice/a.jpg", b"garbage")
    (failure,) = failures(call)
    monkeypatch.setenv("ENVIRONMENT", "dev")
    wiring.settings.forget()
    app.edge.cache_clear()
    assert call("GET", "/api/v1/failures")[0] == 403
    assert call("POST", "/api/v1/failures/redrive", {"kind": "item"})[0] == 403
    assert call("POST", f"/api/v1/failures/{failure['id']}/redrive")[0] == 403
    assert world.item("a")["status"] == "FAILED"


def test_the_timeline_tells_the_whole_story(world: World, call: Call) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    give_up(world)
    (failure,) = failures(call)
    call("POST", f"/api/v1/failures/{failure['id']}/redrive")
    relay_and_run(world)
    told = [
        (line["event"], line["stage"])
        for line in call("GET", "/api/v1/items/a/timeline?limit=100")[1]["data"]
    ]
    again = [("started", "analyze"), ("retrying", "analyze")] * (MAX_ATTEMPTS - 1)
    assert told == [
        *[("received", None), ("started", "process"), ("finished", "process"), ("published", None)],
        *again,
        *[("started", "analyze"), ("failed", "analyze"), ("redriven", "analyze")],
        *[("started", "analyze"), ("finished", "analyze"), ("published", None)],
        *[("started", "embed"), ("finished", "embed"), ("published", None)],
    ]  # fmt: skip


def test_an_error_is_described_with_its_causes_and_without_secrets() -> None:
    try:
        try:
            raise OSError("postgresql://app:hunter22@db/x \x00\udfff")
        except OSError as cause:
            raise Unavailable("It is away.") from cause
    except Unavailable as error:
        described = describe_error(error)
    assert described == "Unavailable: It is away. <- OSError: postgresql://app:***@db/x \ufffd\ufffd"
