"""API keys: shown once, kept as hashes, good for what their scopes say, until revoked or over."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.errors import Conflict
from chalicelib.model.accounts.tokens import sha256_of
from chalicelib.ops.accounts.api_keys import MAX_KEYS, create_key
from chalicelib.stores.accounts import api_keys
from chalicelib.stores.postgres.tx import Tx
from tests.support.people import People, Reply

NEVER_WAS = "00000000-0000-4000-8000-000000000000"


def listed(people: People, token: str, query: str = "") -> list[dict[str, Any]]:
    reply = people("GET", f"/api/v1/api-keys{query}", token=token)
    assert reply.status == 200
    data: list[dict[str, Any]] = reply.body["data"]
    return data


def test_a_key_is_shown_once_and_kept_as_a_hash(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    reply = people("POST", "/api/v1/api-keys", {"name": "backup", "scopes": ["read"]}, token=token)
    key = reply.body["key"]
    assert reply.status == 201 and len(key) == 46
    (found,) = listed(people, token)
    assert found == {name: value for name, value in reply.body.items() if name != "key"}
    assert key.startswith(found["prefix"]) and len(found["prefix"]) == 9
    ((row,),) = people.world.sql("SELECT to_jsonb(k) FROM api_keys k")
    assert row["sha256"] == sha256_of(key) and key not in str(row)


@pytest.mark.parametrize("header", ["X_Api_Key", "Authorization"])
def test_a_key_speaks_for_its_user(people: People, header: str) -> None:
    tokens = people.join("ann@example.org")
    key = people.key(tokens["access_token"], "read")
    reply = people.me(**{header: f"Bearer {key}" if header == "Authorization" else key})
    assert (reply.status, reply.body["email"], reply.body["scopes"]) == (200, "ann@example.org", ["read"])


# What a key of one scope is answered: another scope's is 403.
ASKED: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/v1/items", None, "read"),
    ("GET", "/api/v1/me", None, "read"),
    ("GET", "/api/v1/api-keys", None, "read"),
    ("POST", "/api/v1/search", {"query": "x"}, "read"),
    (
        "POST",
        "/api/v1/uploads",
        {"filename": "a.jpg", "content_type": "image/jpeg", "size_bytes": 9},
        "write",
    ),
    ("DELETE", "/api/v1/items/never-was", None, "write"),
    ("POST", "/api/v1/items/never-was/reprocess", None, "write"),
    ("PATCH", "/api/v1/me", {"name": "x"}, "account"),
    ("POST", "/api/v1/api-keys", {"name": "more", "scopes": ["account"]}, "account"),
    ("DELETE", f"/api/v1/api-keys/{NEVER_WAS}", None, "account"),
    ("DELETE", "/api/v1/sessions/current", None, "account"),
    ("GET", "/api/v1/failures", None, "admin"),
    ("POST", "/api/v1/failures/redrive", {"kind": "item"}, "admin"),
    ("DELETE", "/api/v1/sessions", None, "account"),
]


def test_a_key_may_do_what_its_scopes_say(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    people.promote("ann@example.org")
    keys = {scope: people.key(token, scope) for scope in ("read", "write", "account", "admin")}
    for method, path, body, needed in ASKED:
        for scope, key in keys.items():
            reply = people(method, path, body, X_Api_Key=key)
            refused = reply.status == 403 and reply.code == "insufficient_scope"
            assert refused == (scope != needed), (method, path, scope, reply)


def test_an_administrators_key_is_no_administrators_without_the_scope(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    people.promote("ann@example.org")
    assert people.me(X_Api_Key=people.key(token, "read")).body["role"] == "user"
    assert people.me(X_Api_Key=people.key(token, "read", "admin")).body["role"] == "admin"
    key = people.key(token, "admin")
    people.world.sql("UPDATE accounts SET role = 'user'")
    reply = people("GET", "/api/v1/failures", X_Api_Key=key)
    assert (reply.status, reply.code) == (403, "forbidden")


def test_the_scope_of_administrators_is_shown_to_and_given_by_administrators_only(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    assert people.me(token).body["scopes"] == ["account", "read", "write"]
    reply = people("POST", "/api/v1/api-keys", {"name": "more", "scopes": ["read", "admin"]}, token=token)
    assert (reply.status, reply.code) == (403, "insufficient_scope")
    people.promote("ann@example.org")
    assert people.me(token).body["scopes"] == ["account", "admin", "read", "write"]
    key = people.key(token, "read", "account", "admin")
    assert people.me(X_Api_Key=key).body["scopes"] == ["account", "admin", "read"]
    people.world.sql("UPDATE accounts SET role = 'user'")
    assert people.me(X_Api_Key=key).body["scopes"] == ["account", "read"]


def test_a_key_makes_none_that_may_do_more(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    key = people.key(token, "account")
    body = {"name": "more", "scopes": ["account", "write"]}
    reply = people("POST", "/api/v1/api-keys", body, X_Api_Key=key)
    assert (reply.status, reply.code) == (403, "insufficient_scope")
    assert len(listed(people, token)) == 1


def test_a_key_makes_none_that_outlives_it(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    key = people.key(token, "account", expires_at=end.isoformat())
    for expires_at in (None, (end + timedelta(seconds=1)).isoformat()):
        body = {"name": "more", "scopes": ["account"], "expires_at": expires_at}
        reply = people("POST", "/api/v1/api-keys", body, X_Api_Key=key)
        assert (reply.status, reply.code) == (403, "key_outlives_maker")
    body = {"name": "more", "scopes": ["account"], "expires_at": end.isoformat()}
    assert people("POST", "/api/v1/api-keys", body, X_Api_Key=key).status == 201


def test_fifty_keys_are_enough_and_those_that_are_over_do_not_count(people: People) -> None:
    token, bob = (people.join(f"{name}@example.org")["access_token"] for name in ("ann", "bob"))
    user_id = people.me(token).body["id"]
    people.world.sql(
        "INSERT INTO api_keys (user_id, id, name, prefix, sha256, scopes)"
        f" SELECT '{user_id}', gen_random_uuid(), 'k', 'ck_', md5(n::text), '{{read}}'"
        f" FROM generate_series(1, {MAX_KEYS - 4}) n"
    )

    def create(_: int) -> str:
        kept: dict[str, Any] = {"name": "k", "scopes": ["read"], "expires_at": None, "own_end": None}
        try:
            create_key(user_id, own_scopes=["read"], now=datetime.now(UTC), db=people.world.db, **kept)
        except Conflict as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(12) as threads:
        assert Counter(threads.map(create, range(12))) == {"made": 4, "too_many_api_keys": 8}
    body = {"name": "k", "scopes": ["read"]}
    reply = people("POST", "/api/v1/api-keys", body, token=token)
    assert (reply.status, reply.code) == (409, "too_many_api_keys")
    assert people("POST", "/api/v1/api-keys", body, token=bob).status == 201
    people.world.sql("UPDATE api_keys SET expires_at = now() WHERE sha256 = md5('1')")
    assert people("POST", "/api/v1/api-keys", body, token=token).status == 201
    assert people("POST", "/api/v1/api-keys", body, token=token).status == 409


def test_revoked_at_once(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    key, other = people.key(token, "read"), people.key(token, "read")
    key_id = next(each["id"] for each in listed(people, token) if key.startswith(each["prefix"]))
    assert people("DELETE", f"/api/v1/api-keys/{key_id}", token=token).status == 204
    reply = people.me(X_Api_Key=key)
    assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert people.me(X_Api_Key=other).status == 200
    assert people("DELETE", f"/api/v1/api-keys/{key_id}", token=token).status == 404


def test_a_key_ends_when_it_was_to_end(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    key = people.key(token, "read", expires_at=soon)
    assert people.me(X_Api_Key=key).status == 200
    people.world.sql("UPDATE api_keys SET expires_at = now()")
    assert people.me(X_Api_Key=key).status == 401
    body = {"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}
    reply = people("POST", "/api/v1/api-keys", body, token=token)
    assert (reply.status, reply.body["field"]) == (400, "expires_at")


def test_an_end_may_be_given_in_any_zone_within_the_calendar(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    body = {"name": "k", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00+17:00"}
    reply = people("POST", "/api/v1/api-keys", body, token=token)
    assert (reply.status, reply.body["expires_at"]) == (201, "2098-12-31T07:00:00Z")
    body["expires_at"] = "9999-12-31T23:59:59-17:00"
    reply = people("POST", "/api/v1/api-keys", body, token=token)
    assert (reply.status, reply.body["field"]) == (400, "expires_at")


def test_the_key_of_a_disabled_account_is_refused(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    key = people.key(token, "read")
    people.world.sql("UPDATE accounts SET disabled_at = now()")
    assert people.me(X_Api_Key=key).status == 401


def test_its_last_use_is_noted_once_a_minute(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    key = people.key(token, "read")
    assert listed(people, token)[0]["last_used_at"] is None
    people.me(X_Api_Key=key)
    ((first, version),) = people.world.sql("SELECT last_used_at, xmin::text FROM api_keys")
    people.me(X_Api_Key=key)
    assert people.world.sql("SELECT last_used_at, xmin::text FROM api_keys") == [(first, version)]
    people.world.sql("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    people.me(X_Api_Key=key)
    ((later,),) = people.world.sql("SELECT last_used_at FROM api_keys")
    assert later >= first


def test_another_users_key_is_as_missing_as_what_never_was(people: People) -> None:
    ann, bob = (people.join(f"{name}@example.org")["access_token"] for name in ("ann", "bob"))
    people.key(ann, "read")
    (theirs,) = listed(people, ann)
    assert listed(people, bob) == []
    asked = people("DELETE", f"/api/v1/api-keys/{theirs['id']}", token=bob)
    missing = people("DELETE", f"/api/v1/api-keys/{NEVER_WAS}", token=bob)
    no_id = people("DELETE", "/api/v1/api-keys/not-an-id", token=bob)
    assert asked.status == missing.status == no_id.status == 404
    assert {**asked.body, "request_id": ""} == {**missing.body, "request_id": ""}
    assert listed(people, ann) == [theirs]


def test_keys_are_listed_newest_first_page_by_page(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    for number in range(5):
        people("POST", "/api/v1/api-keys", {"name": str(number), "scopes": ["read"]}, token=token)
    seen, cursor = [], ""
    while True:
        page = people("GET", f"/api/v1/api-keys?limit=2{cursor}", token=token).body
        seen += [each["name"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&after={page['next']}"
    assert seen == ["4", "3", "2", "1", "0"]
    # A cursor may be forged: what is no id in it is no error of ours.
    forged = "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIngiXQ"
    assert listed(people, token, f"?after={forged}") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"name": ""}, "name"),
        ({"key": "ck_mine"}, "key"),
        ({"expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_a_wrong_key_is_refused_by_field(people: People, change: dict[str, Any], field: str) -> None:
    token = people.join("ann@example.org")["access_token"]
    reply = people("POST", "/api/v1/api-keys", {"name": "k", "scopes": ["read"]} | change, token=token)
    assert (reply.status, reply.body["field"]) == (400, field)


def test_the_anonymous_users_key_speaks_for_it_and_is_no_administrators(people: People) -> None:
    people.set(ENVIRONMENT="local", ANONYMOUS_USER="demo")
    key = people.key(None, "read", "admin")
    people.set(ENVIRONMENT="dev", REGISTRATION_OPEN=None, ANONYMOUS_USER=None)
    assert people.me().status == 401
    reply = people.me(X_Api_Key=key)
    assert (reply.body["id"], reply.body["role"]) == ("demo", "user")


def test_the_last_key_waits_for_one_that_is_being_made(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    user_id = people.me(token).body["id"]
    people.world.sql(
        "INSERT INTO api_keys (user_id, id, name, prefix, sha256, scopes)"
        f" SELECT '{user_id}', gen_random_uuid(), 'k', 'ck_', md5(n::text), '{{read}}'"
        f" FROM generate_series(2, {MAX_KEYS}) n"
    )
    body = {"name": "k", "scopes": ["read"], "expires_at": None}

    def make_slowly(tx: Tx) -> Future[Reply]:
        assert api_keys.count_others(tx, user_id, NEVER_WAS) == MAX_KEYS - 1
        other = threads.submit(people, "POST", "/api/v1/api-keys", body, token=token)
        assert wait([other], timeout=0.5).not_done
        key = {"name": "k", "prefix": "ck_", "sha256": "x", "scopes": ["read"], "expires_at": None}
        api_keys.insert(tx, user_id, id=NEVER_WAS, **key)  # type: ignore[arg-type]
        return other

    with ThreadPoolExecutor(1) as threads:
        reply = people.world.db.transact(user_id, make_slowly).result()
    assert (reply.status, reply.code) == (409, "too_many_api_keys")
