"""Accounts: who may register, what a password must be, who sees and changes what."""

import json
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.model import passwords
from chalicelib.ops import accounts
from tests.people import PASSWORD, People, people

__all__ = ["people"]


def roles(people: People) -> dict[str, str]:
    return dict(people.world.sql("SELECT email, role FROM accounts"))


def test_register_sign_in_and_read_ones_account(people: People) -> None:
    tokens = people.join("Ann@Example.org")
    reply = people.me(tokens["access_token"])
    assert (reply.status, reply.body["email"], reply.body["role"]) == (200, "Ann@Example.org", "user")
    assert reply.body["plan"] == "free" and reply.body["scopes"] == ["admin", "read", "write"]
    assert "ann" not in reply.body["id"].lower(), "ids are in links and logs"
    assert people.log_in("ANN@example.ORG").status == 201
    assert people("GET", "/api/v1/items", token=tokens["access_token"]).body["data"] == []


def test_what_a_client_must_know(people: People) -> None:
    terms = people("GET", "/api/v1/registration").body
    assert terms["open"] is True and "image/jpeg" in terms["media_types"]
    assert {"whose": "login", "quota": 900, "window_s": 60} in terms["rate_limits"]
    assert terms["limits"]["password_min_chars"] == 10 and terms["versions"]["api"] == "v1"
    people.set(REGISTRATION_OPEN=None)
    assert people("GET", "/api/v1/registration").body["open"] is False
    closed = people.register("ann@example.org")
    assert (closed.status, closed.code) == (403, "registration_closed")
    assert roles(people) == {}


def test_an_address_that_is_known_keeps_its_account_and_nobody_is_told(people: People) -> None:
    first = people.register("ann@example.org")
    again = people.register("ANN@example.org", "another password entirely")
    unknown = people.register("bob@example.org")
    assert first.status == again.status == unknown.status == 202
    assert {**again.body, "email": ""} == {**unknown.body, "email": ""}
    assert people.log_in("ann@example.org").status == 201
    assert people.log_in("ann@example.org", "another password entirely").status == 401
    assert people.world.sql("SELECT count(*) FROM users") == [(2,)], "a refused account leaves no user"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "too short"}, "password"),
        ({"password": "ä" * 513}, "password"),
        ({"password": "a" * 1025}, "password"),
        ({"password": "ANN@example.org"}, "password"),
        ({"email": "nobody"}, "email"),
        ({"email": "a b@example.org"}, "email"),
        ({"email": f"ann@{'e' * 250}"}, "email"),
        ({"role": "admin"}, "role"),
        ({"user_id": "alice"}, "user_id"),
        ({"plan": "team"}, "plan"),
    ],
)
def test_a_wrong_registration_is_refused_by_field(people: People, change: dict[str, str], field: str) -> None:
    body = {"email": "ann@example.org", "password": PASSWORD} | change
    reply = people("POST", "/api/v1/registration", body)
    assert (reply.status, reply.body["field"]) == (400, field)


def test_the_first_account_is_an_administrator_only_if_its_address_is_named(people: People) -> None:
    people.set(ADMIN_EMAILS='["Root@example.org", "late@example.org"]')
    people.register("root@example.org")
    people.register("late@example.org")
    assert roles(people) == {"root@example.org": "admin", "late@example.org": "user"}
    token = people.log_in("root@example.org").body["access_token"]
    assert people("GET", "/api/v1/failures", token=token).status == 200
    token = people.log_in("late@example.org").body["access_token"]
    assert people("GET", "/api/v1/failures", token=token).status == 403


def test_a_first_account_nobody_named_is_a_users(people: People) -> None:
    people.set(ADMIN_EMAILS='["root@example.org"]')
    people.register("ann@example.org")
    people.register("root@example.org")
    assert roles(people) == {"ann@example.org": "user", "root@example.org": "user"}


def test_a_wrong_password_an_unknown_address_and_a_disabled_account_are_answered_alike(
    people: People,
) -> None:
    people.register("ann@example.org")
    people.register("eve@example.org")
    people.world.sql("UPDATE accounts SET disabled_at = now() WHERE email = 'eve@example.org'")
    answers = [
        people.log_in("ann@example.org", "a wrong password"),
        people.log_in("nobody@example.org"),
        people.log_in("eve@example.org"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body["detail"] + answer.code for answer in answers}) == 1
    assert people.sessions() == []


def test_an_unknown_address_is_checked_against_a_hash_like_anybodys(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash nobody can read makes the login fail, so that it is read; and it costs what a new one costs."""
    from argon2 import extract_parameters

    new = passwords.hash_password(PASSWORD)
    assert extract_parameters(passwords.NOBODYS_HASH) == extract_parameters(new)
    assert "m=19456,t=2,p=1" in new
    monkeypatch.setattr(passwords, "NOBODYS_HASH", "unreadable")
    assert people.log_in("nobody@example.org").status == 500


def test_nobodys_password_opens_nothing(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "NOBODYS_HASH", passwords.hash_password(PASSWORD))
    assert passwords.matches(passwords.NOBODYS_HASH, PASSWORD) and not passwords.matches(None, PASSWORD)
    assert people.log_in("nobody@example.org").status == 401


def test_a_hash_of_other_parameters_is_renewed_at_the_next_login(people: People) -> None:
    from argon2 import PasswordHasher

    people.register("ann@example.org")
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    people.world.sql(f"UPDATE accounts SET password_hash = '{old}'")
    assert people.log_in("ann@example.org", "a wrong password").status == 401
    assert people.world.sql("SELECT password_hash FROM accounts") == [(old,)]
    assert people.log_in("ann@example.org").status == 201
    ((new,),) = people.world.sql("SELECT password_hash FROM accounts")
    assert new != old and not passwords.is_outdated(new)
    assert people.log_in("ann@example.org").status == 201


def test_a_name_is_changed(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    reply = people("PATCH", "/api/v1/me", {"name": "Ann"}, token=token)
    assert (reply.status, reply.body["name"]) == (200, "Ann")
    assert people.me(token).body["name"] == "Ann"
    for body, field in [({"role": "admin"}, "role"), ({"name": None}, "name"), ({"email": "a@b"}, "email")]:
        reply = people("PATCH", "/api/v1/me", body, token=token)
        assert (reply.status, reply.body["field"]) == (400, field)


def test_a_new_password_ends_all_other_sessions(people: People) -> None:
    here, there = people.join("ann@example.org"), people.log_in("ann@example.org").body
    change = {"password": "an altogether new one", "current_password": PASSWORD}
    assert people("PATCH", "/api/v1/me", change, token=here["access_token"]).status == 200
    assert people.me(here["access_token"]).status == 200
    assert people.refresh(here["refresh_token"]).status == 200
    assert people.me(there["access_token"]).status == 401
    assert people.refresh(there["refresh_token"]).status == 401
    assert people.log_in("ann@example.org").status == 401
    assert people.log_in("ann@example.org", "an altogether new one").status == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "an altogether new one"}, "current_password"),
        ({"password": "an altogether new one", "current_password": "a wrong password"}, "current_password"),
        ({"password": "short", "current_password": PASSWORD}, "password"),
        ({"password": "ann@example.org", "current_password": PASSWORD}, "password"),
    ],
)
def test_a_password_is_not_changed_without_the_current_one_nor_to_a_bad_one(
    people: People, change: dict[str, str], field: str
) -> None:
    here, there = people.join("ann@example.org"), people.log_in("ann@example.org").body
    reply = people("PATCH", "/api/v1/me", change, token=here["access_token"])
    assert (reply.status, reply.body["field"]) == (400, field)
    assert people.me(there["access_token"]).status == 200
    assert people.log_in("ann@example.org").status == 201


def test_the_anonymous_user_has_no_account_to_change(people: People) -> None:
    people.set(ANONYMOUS_USER="demo")
    assert people.me().body == {
        **dict.fromkeys(("email", "created_at")),
        "object": "user",
        "id": "demo",
        "name": "",
        "role": "user",
        "plan": "free",
        "scopes": ["admin", "read", "write"],
    }
    assert people("PATCH", "/api/v1/me", {"name": "Demo"}).code == "no_account"
    change = {"password": "an altogether new one", "current_password": PASSWORD}
    assert people("PATCH", "/api/v1/me", change).code == "no_password"
    people.set(ENVIRONMENT="local")
    assert people.me().body["role"] == "admin"


def test_a_wrong_credential_is_refused_where_an_anonymous_user_would_be_let_in(people: People) -> None:
    people.set(ENVIRONMENT="local", ANONYMOUS_USER="demo")
    token = people.join("ann@example.org")["access_token"]
    assert people.me().body["id"] == "demo"
    assert people.me(token).body["email"] == "ann@example.org"
    wrong: list[dict[str, str]] = [
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": "Bearer"},
        {"Authorization": ""},
        {"Authorization": "Bearer ck_unknown"},
        {"X_Api_Key": "ck_unknown"},
        {"X_Api_Key": ""},
        {"X_Api_Key": token},
    ]
    for headers in wrong:
        reply = people.me(**headers)
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="collections"')


def test_nobody_changes_roles_plans_or_ends_but_the_operator(people: People) -> None:
    people.join("ann@example.org")
    ((user_id,),) = people.world.sql("SELECT id FROM users")
    for column in ("role = 'admin'", "plan = 'team'", "disabled_at = NULL", "email = 'x@y'", "user_id = 'x'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            people.world.db.transact(user_id, lambda tx, c=column: tx.run(f"UPDATE accounts SET {c}"))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        people.world.db.transact(user_id, lambda tx: tx.run("DELETE FROM accounts"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM items",
        "SELECT * FROM idempotency_keys",
        "SELECT name FROM accounts",
        "SELECT name FROM api_keys",
        "SELECT number FROM users",
        "UPDATE accounts SET role = 'admin'",
        "UPDATE accounts SET password_hash = ''",
        "UPDATE api_keys SET scopes = '{admin}'",
        "DELETE FROM accounts",
        "DELETE FROM api_keys",
        "INSERT INTO accounts (user_id, plan) VALUES ('x', 'team')",
        "INSERT INTO api_keys (user_id) VALUES ('x')",
    ],
)
def test_the_gatekeeper_may_do_nothing_but_its_work(people: People, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        people.world.db.transact_as_gatekeeper(lambda tx: tx.run(statement))


def test_no_password_token_or_key_reaches_a_log(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    people.set(LOG_LEVEL="DEBUG")
    tokens = people.join("ann@example.org")
    key = people.key(tokens["access_token"], "read")
    secrets = {PASSWORD, "a wrong password", "an altogether new one", key, wiring.settings().session_secret}
    people.log_in("ann@example.org", "a wrong password")
    change = {"password": "an altogether new one", "current_password": PASSWORD}
    people("PATCH", "/api/v1/me", change, token=tokens["access_token"])
    fresh = people.refresh(tokens["refresh_token"]).body
    people.refresh(tokens["refresh_token"])
    for wrong in (key + "x", fresh["access_token"] + "x", tokens["access_token"]):
        people.me(wrong)
    people.me(X_Api_Key=key)
    for part in (tokens, fresh):
        secrets |= {part["access_token"], part["refresh_token"]}
        secrets |= set(part["access_token"].split(".")[1:]) | {part["refresh_token"].rpartition(".")[2]}
    # And when all that keeps them is away.
    refresh = people.log_in("ann@example.org", "an altogether new one").body["refresh_token"]
    secrets.add(refresh)
    people.set(SESSIONS_TABLE="gone", DATABASE_URL="postgresql://collections_app:test@127.0.0.1:1/x")
    wiring.database.forget()
    asked: list[Callable[[], Any]] = [
        lambda: people.me(fresh["access_token"]),
        lambda: people.me(X_Api_Key=key),
        lambda: people.log_in("ann@example.org"),
        lambda: people.register("new@example.org"),
        lambda: people.refresh(refresh),
    ]
    assert {each().status for each in asked} == {503}
    logged = capsys.readouterr().err
    assert any(json.loads(line)["level"] == "WARNING" for line in logged.splitlines())
    for secret in secrets:
        assert str(secret) not in logged


def test_guessing_a_password_is_throttled_whether_there_is_an_account_or_not(people: People) -> None:
    people.register("ann@example.org")
    people.set(RATE_LIMITS='{"account": "3/1h 3/1h", "login": "900/1m 9000/1h"}')
    guesses = [people.log_in("ann@example.org", f"a wrong password {n}").status for n in range(5)]
    assert guesses == [401, 401, 401, 429, 429]
    reply = people.log_in("ANN@example.org")
    assert (reply.status, reply.code) == (429, "rate_limited") and int(reply.headers["Retry-After"]) > 0
    unknown = [people.log_in("nobody@example.org").status for _ in range(5)]
    assert unknown == guesses, "whether there is such an account is not told"
    assert people.log_in("bob@example.org").status == 401


def test_guessing_with_many_addresses_from_one_place_is_throttled(people: People) -> None:
    people.set(RATE_LIMITS='{"login": "3/1h 3/1h"}')
    assert [people.log_in(f"ann{n}@example.org").status for n in range(5)] == [401, 401, 401, 429, 429]
    assert people.register("bob@example.org").status == 429, "registering is asking who is there as well"
    assert people("GET", "/api/v1/registration").status == 200


def test_guessing_the_current_password_is_guessing_as_well(people: People) -> None:
    people.set(RATE_LIMITS='{"account": "3/1h 3/1h", "login": "900/1m 9000/1h"}')
    token = people.join("ann@example.org")["access_token"]
    change = {"password": "an altogether new one", "current_password": "a wrong password"}
    statuses = [people("PATCH", "/api/v1/me", change, token=token).status for _ in range(3)]
    assert statuses == [400, 400, 429], "one was the login"
    assert people.log_in("ann@example.org").status == 429


def test_an_external_account_is_made_once(people: People) -> None:
    first = accounts.find_external("oidc-1", name="Ann", db=people.world.db)
    again = accounts.find_external("oidc-1", name="Other", db=people.world.db)
    assert (first["name"], first["email"], first["role"]) == ("Ann", None, "user")
    assert again == first
