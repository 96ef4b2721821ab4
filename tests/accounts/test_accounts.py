"""Accounts: who may register, what a password must be, who sees and changes what."""

import json
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.model.jobs.kinds import KINDS
from chalicelib.ops.accounts import accounts
from chalicelib.settings import VERSION
from tests.support.people import PASSWORD, People
from tests.support.provider_server import DIMENSIONS


def roles(people: People) -> dict[str, str]:
    return dict(people.world.sql("SELECT email, role FROM accounts"))


def test_register_sign_in_and_read_ones_account(people: People) -> None:
    tokens = people.join("Ann@Example.org")
    reply = people.me(tokens["access_token"])
    assert (reply.status, reply.body["email"], reply.body["role"]) == (200, "Ann@Example.org", "user")
    assert reply.body["plan"] == "free" and reply.body["scopes"] == ["account", "read", "write"]
    assert "ann" not in reply.body["id"].lower(), "ids are in links and logs"
    assert people.log_in("ANN@example.ORG").status == 201
    assert people("GET", "/api/v1/items", token=tokens["access_token"]).body["data"] == []


def test_what_a_client_must_know(people: People) -> None:
    terms = people("GET", "/api/v1/registration").body
    assert terms["open"] is True and "image/jpeg" in terms["media_types"]
    assert {"whose": "login", "quota": 900, "window_s": 60} in terms["rate_limits"]
    assert terms["limits"] == {
        "upload_max_bytes": 200 * 1024**2,
        "form_max_bytes": 32 * 1024**2,
        "image_max_pixels": 100_000_000,
        "pdf_max_pages": 2_000,
        "pdf_max_chars": 10_000_000,
        "password_min_chars": 10,
        "password_max_bytes": terms["limits"]["password_max_bytes"],
    }
    assert terms["versions"] == {"app": VERSION, "api": "v1"}
    assert terms["job_kinds"] == sorted(KINDS) and "ingest" in KINDS
    in_use = terms["providers"]
    assert in_use["embedding"] == [{"provider": "openai", "model": "test-embedding"}]
    assert (in_use["embedding_dimensions"], in_use["chat"], in_use["rerank"]) == (DIMENSIONS, [], [])
    assert in_use["analyzer"] == [{"provider": "local", "model": "local"}]
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
        ({"email": "ann@example.org\n"}, "email"),
        ({"email": "än@example.org"}, "email"),
        ({"email": "ann@exämple.org"}, "email"),
        ({"role": "admin"}, "role"),
        ({"user_id": "alice"}, "user_id"),
        ({"plan": "team"}, "plan"),
    ],
)
def test_a_wrong_registration_is_refused_by_field(people: People, change: dict[str, str], field: str) -> None:
    body = {"email": "ann@example.org", "password": PASSWORD} | change
    reply = people("POST", "/api/v1/registration", body)
    assert (reply.status, reply.body["field"]) == (400, field)


def test_nobody_becomes_an_administrator_by_registering(people: People) -> None:
    people.set(ADMIN_EMAILS='["root@example.org"]')  # a stage that was set up by an earlier release
    people.register("root@example.org")
    people.register("ann@example.org")
    assert roles(people) == {"root@example.org": "user", "ann@example.org": "user"}
    token = people.log_in("root@example.org").body["access_token"]
    assert people("GET", "/api/v1/failures", token=token).status == 403


def test_the_role_that_registers_can_make_no_administrator(people: People) -> None:
    """Not even by the earlier release's statement, while that still runs."""

    def insert(role: str) -> None:
        statement = "INSERT INTO accounts (user_id, role, name) VALUES (%(id)s, %(role)s, '')"
        people.world.db.transact_as_gatekeeper(
            lambda tx: (
                tx.run("INSERT INTO users (id) VALUES (%(id)s)", id=role),
                tx.run(statement, id=role, role=role),
            )
        )

    insert("user")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
        insert("admin")


def test_a_name_is_changed(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    reply = people("PATCH", "/api/v1/me", {"name": "Ann"}, token=token)
    assert (reply.status, reply.body["name"]) == (200, "Ann")
    assert people.me(token).body["name"] == "Ann"
    for body, field in [({"role": "admin"}, "role"), ({"name": None}, "name"), ({"email": "a@b"}, "email")]:
        reply = people("PATCH", "/api/v1/me", body, token=token)
        assert (reply.status, reply.body["field"]) == (400, field)


def test_the_anonymous_user_has_no_account_to_change(people: People) -> None:
    people.set(ENVIRONMENT="dev", REGISTRATION_OPEN=None, ANONYMOUS_USER="demo")
    assert people.me().body == {
        **dict.fromkeys(("email", "created_at")),
        "object": "user",
        "id": "demo",
        "name": "",
        "role": "user",
        "plan": "free",
        "scopes": ["account", "read", "write"],
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
    for column in ("role = 'admin'", "plan = 'team'", "disabled_at = NULL", "user_id = 'x'"):
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


def test_an_external_account_is_made_once(people: People) -> None:
    first = accounts.find_external("oidc-1", name="Ann", db=people.world.db)
    again = accounts.find_external("oidc-1", name="Other", db=people.world.db)
    assert (first.name, first.email, first.role) == ("Ann", None, "user")
    assert again == first


def test_no_repr_has_an_accounts_password_hash(people: People) -> None:
    user_id = people.me(people.join("ann@example.org")["access_token"]).body["id"]
    account = accounts.read_account(user_id, db=people.world.db)
    assert account and account.password_hash
    assert account.password_hash not in f"{account!r} {account.with_password()!r}"
