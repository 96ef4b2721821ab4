"""People who sign in: the app over HTTP's shapes, with whatever credential a test gives it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.model.accounts import passwords
from chalicelib.stores.postgres.postgres import Database
from tests.support.world import World, count_no_requests

PASSWORD = "a password that is long"
# A hash takes the app 25 ms, and these parameters much less. Tests of the parameters call `hash_as_deployed`.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CHEAPLY = {"_hasher": lambda: CHEAP, "NOBODYS_HASH": CHEAP.hash("unknown")}
AS_DEPLOYED = {name: getattr(passwords, name) for name in CHEAPLY}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass
class People:
    world: World
    client: Client
    monkeypatch: pytest.MonkeyPatch

    def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Reply:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        raw = json.dumps(body).encode() if body is not None else b""
        answer = self.client.http.request(method, path, headers=headers, body=raw)
        return Reply(answer.status_code, json.loads(answer.body or b"null"), dict(answer.headers))

    def set(self, **variables: str | None) -> None:
        """Change settings; None takes a variable away. Who sets limits has requests counted from then on."""
        if {"RATE_LIMITS", "RATE_LIMITS_TABLE"} & variables.keys():
            self.count_requests()
        for name, value in variables.items():
            if value is None:
                self.monkeypatch.delenv(name, raising=False)
            else:
                self.monkeypatch.setenv(name, value)
        for made in (
            wiring.settings,
            wiring.signing,
            wiring.sessions,
            wiring.tables,
            wiring.rate_limits,
            wiring.dynamodb_presence,
            wiring.oidc,
            wiring.links,
            wiring.mailer,
        ):
            made.forget()
        app.edge.cache_clear()

    def count_requests(self) -> None:
        self.monkeypatch.setattr(app.app, "edge", app.edge)

    def hash_as_deployed(self) -> None:
        for name, value in AS_DEPLOYED.items():
            self.monkeypatch.setattr(passwords, name, value)

    def register(self, email: str, password: str = PASSWORD) -> Reply:
        return self("POST", "/api/v1/registration", {"email": email, "password": password})

    def log_in(self, email: str, password: str = PASSWORD, **headers: str) -> Reply:
        return self("POST", "/api/v1/sessions", {"email": email, "password": password}, **headers)

    def join(self, email: str) -> dict[str, Any]:
        """Register and sign in; return the tokens."""
        assert self.register(email).status == 202
        reply = self.log_in(email)
        assert reply.status == 201, reply
        tokens: dict[str, Any] = reply.body
        return tokens

    def promote(self, email: str) -> None:
        """Make the account an administrator's, behind the app's back."""
        self.world.sql(f"UPDATE accounts SET role = 'admin' WHERE email = '{email}'")

    def refresh(self, refresh_token: str) -> Reply:
        return self("POST", "/api/v1/sessions/refresh", {"refresh_token": refresh_token})

    def me(self, token: str | None = None, **headers: str) -> Reply:
        return self("GET", "/api/v1/me", token=token, **headers)

    def sessions(self) -> list[dict[str, Any]]:
        """Return all rows of the table, also expired ones."""
        table = wiring.settings().sessions_table
        items: list[dict[str, Any]] = self.world.aws.client("dynamodb").scan(TableName=table)["Items"]
        return items

    def key(self, token: str | None, *scopes: str, **more: Any) -> str:
        """Make an API key of the token's user and return it."""
        reply = self("POST", "/api/v1/api-keys", {"name": "k", "scopes": scopes, **more}, token=token)
        assert reply.status == 201, reply
        return str(reply.body["key"])


@pytest.fixture
def people(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    """Registration is open, no address is proved, nobody is anonymous."""
    people = People(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch)
    rates = json.dumps(dict.fromkeys(("address", "login", "account", "mail", "user.free"), "900/1m 9000/1h"))
    people.set(RATE_LIMITS=rates, ENVIRONMENT="local", ANONYMOUS_USER=None, REGISTRATION_OPEN="true")
    count_no_requests(monkeypatch)
    for name, value in CHEAPLY.items():
        monkeypatch.setattr(passwords, name, value)
    yield people
    app.edge.cache_clear()


Act = Callable[[], Any]


class SomebodyWrites:
    """The database, with something that happens just before its second transaction or read."""

    def __init__(self, db: Database, act: Act) -> None:
        self._db, self._acts = db, iter([lambda: None, act])

    def transact(self, *args: Any) -> Any:
        next(self._acts)()
        return self._db.transact(*args)

    def read(self, *args: Any) -> Any:
        next(self._acts)()
        return self._db.read(*args)
