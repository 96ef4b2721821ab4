"""Sessions while DynamoDB is away, lags behind, answers in parts or twice."""

from collections.abc import Iterator
from time import monotonic, time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.model.accounts.tokens import sha256_of
from chalicelib.ops.accounts import sessions
from chalicelib.stores.accounts.sessions import Sessions
from chalicelib.stores.aws.dynamodb import Presence
from tests.support.people import People


class Lagging:
    """DynamoDB whose eventually consistent reads are one write behind, as they may be."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._behind: dict[str, list[dict[str, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            table = request["TableName"]
            if name in ("get_item", "query") and not request.get("ConsistentRead"):
                items = self._behind.get(table, [])
                wanted = [i for i in items if request.get("Key", {}).items() <= i.items()]
                return {"Items": wanted} if name == "query" else {"Item": wanted[0]} if wanted else {}
            if name.endswith("_item") and name != "get_item":
                self._behind[table] = self._client.scan(TableName=table)["Items"]
            return getattr(self._client, name)(**request)

        return call


def test_logout_acts_at_once_also_when_replicas_lag(people: People) -> None:
    tokens = people.join("ann@example.org")
    table = wiring.settings().sessions_table
    store = Sessions(Lagging(people.world.aws.client("dynamodb")), table=table, presence=Presence(monotonic))
    user_id = people.me(tokens["access_token"]).body["id"]
    now_s = int(time())
    assert [each.id for each in store.list_live(user_id, before=None, now_s=now_s)] == [tokens["session_id"]]
    store.delete(user_id, tokens["session_id"])
    assert store.find(user_id, tokens["session_id"], now_s=now_s) is None
    assert list(store.list_live(user_id, before=None, now_s=now_s)) == []


def test_a_write_that_botocore_sends_twice_is_no_reuse(people: People) -> None:
    """The first sending was done and its answer lost: the second finds its own token there."""
    tokens = people.join("ann@example.org")
    user_id, session_id, secret = tokens["refresh_token"].rsplit(".", 2)
    values: dict[str, Any] = {"now_s": int(time()), "expires_at": int(time()) + 9}
    values |= {"old_sha256": sha256_of(secret), "new_sha256": sha256_of("new")}
    outcomes = [wiring.sessions().rotate(user_id, session_id, **values) for _ in range(2)]
    assert outcomes == ["rotated", "rotated"]
    assert wiring.sessions().rotate(user_id, session_id, **values | {"new_sha256": "x"}) == "reused"


@pytest.fixture
def without_dynamodb(people: People) -> Iterator[dict[str, Any]]:
    tokens = people.join("ann@example.org")
    people.set(SESSIONS_TABLE="gone")
    yield tokens
    people.set(SESSIONS_TABLE="collections-sessions-local")
    assert people.me(tokens["access_token"]).status == 200, "and then it goes on"


def test_without_dynamodb_nobody_is_let_in(people: People, without_dynamodb: dict[str, Any]) -> None:
    token = without_dynamodb["access_token"]
    replies = [
        people.me(token),
        people("GET", "/api/v1/items", token=token),
        people.log_in("ann@example.org"),
        people.refresh(without_dynamodb["refresh_token"]),
        people("GET", "/api/v1/sessions", token=token),
        people("DELETE", "/api/v1/sessions", token=token),
        people("DELETE", "/api/v1/sessions/current", token=token),
    ]
    assert {(each.status, each.code) for each in replies} == {(503, "dynamodb_unavailable")}
    assert all(int(each.headers["Retry-After"]) > 0 for each in replies)


def test_while_dynamodb_is_away_sessions_and_limits_are_told_so_at_once(people: People) -> None:
    people.count_requests()
    """No request waits for what another one has found out, of the table that it needs or of the other."""
    token = people.join("ann@example.org")["access_token"]
    sent: list[str] = []

    def fail(request: Any, event_name: str, **_: Any) -> AWSResponse:
        sent.append(event_name.rpartition(".")[2])
        raw = SimpleNamespace(stream=lambda: iter([b'{"__type": "#InternalServerError"}']))
        return AWSResponse(request.url, 500, {}, raw)

    events = wiring.dynamodb().meta.events
    events.register_first("before-send.dynamodb", fail)
    assert people("GET", "/api/v1/registration").status == 200, "uncounted"
    assert [people.me(token).status for _ in range(5)] == [503] * 5
    assert people("GET", "/api/v1/registration").status == 200
    asked = {call: sent.count(call) for call in sent}
    assert asked == {"UpdateItem": 2, "GetItem": 4}, "three calls, each sent twice"
    events.unregister("before-send.dynamodb", fail)


def test_a_login_that_cannot_be_counted_is_refused(people: People) -> None:
    people.register("ann@example.org")
    people.set(RATE_LIMITS_TABLE="gone")
    reply = people.log_in("ann@example.org")
    assert (reply.status, people.sessions()) == (503, [])


def test_many_sessions_are_read_in_several_answers(people: People) -> None:
    """DynamoDB answers at most 1 MB at once."""
    people.register("ann@example.org")
    agents = ["x" * 400] * 3
    tokens = [people.log_in("ann@example.org", User_Agent=agent).body for agent in agents]
    user_id = people.me(tokens[0]["access_token"]).body["id"]

    class Small:
        """A client that returns one row at a time, as DynamoDB may."""

        def __getattr__(self, name: str) -> Any:
            client = people.world.aws.client("dynamodb")
            more = {"Limit": 1} if name == "query" else {}
            return lambda **request: getattr(client, name)(**request, **more)

    store = Sessions(Small(), table=wiring.settings().sessions_table, presence=Presence(monotonic))
    found = [each.id for each in store.list_live(user_id, before=None, now_s=int(time()))]
    assert found == [each["session_id"] for each in reversed(tokens)]
    sessions.end_all(user_id, now_s=int(time()), sessions=store)
    assert people.sessions() == []


def test_another_error_of_dynamodbs_is_no_refusal(people: People) -> None:
    tokens = people.join("ann@example.org")
    user_id, session_id, _ = tokens["refresh_token"].rsplit(".", 2)
    store = Sessions(people.world.aws.client("dynamodb"), table="gone", presence=Presence(monotonic))
    values: dict[str, Any] = {"now_s": 1, "expires_at": 2, "old_sha256": "", "new_sha256": ""}
    with pytest.raises(Unavailable):
        store.rotate(user_id, session_id, **values)
