"""Nobody gets at another's: every route of app.py x {own, another's, missing, nobody}.

The routes are read from the app. One that the tables below cannot feed fails these tests: add its path
parameter to `make_ids` and `MISSING`, its body to `BODIES`.
"""

import importlib
import itertools
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import quote

import pytest
from chalice.test import Client

import app
import chalicelib.stores
from chalicelib import wiring
from chalicelib.api.http.routes import Route
from chalicelib.model.accounts.passwords import hash_password
from chalicelib.model.accounts.sessions import Session
from chalicelib.model.accounts.tokens import make_access_token, new_session_id
from chalicelib.model.ingest import files
from tests.ingest.test_decoder import make_pdf
from tests.ingest.test_multipart import send_part
from tests.support.emulated import BUCKET
from tests.support.mailbox import CONSOLE, SENDER
from tests.support.people import PASSWORD
from tests.support.world import World, jpeg

Ids = dict[str, str]
_numbers = itertools.count()
NEW = {"content_type": "image/jpeg", "size_bytes": 9}
MISSING: Ids = {
    "item_id": "never-was",
    "upload_id": "00000000-0000-4000-8000-000000000000",
    "part_etag": "0" * 32,
    "failure_id": "task-999999999",
    "sha256": "0" * 64,
    "key_id": "00000000-0000-4000-8000-000000000000",
    "email": "never-was@example.org",
    "other_email": "never-was@example.org",
    "document_id": "never-was",
    "file_hash": "0" * 64,
    "n": "1",
    "collection_id": "00000000-0000-4000-8000-000000000000",
    "conversation_id": "00000000-0000-4000-8000-000000000000",
    "run_id": "00000000-0000-4000-8000-000000000000",
}
BODIES: dict[tuple[str, str], Callable[[Ids], list[Any]]] = {
    ("POST", "/api/v1/search"): lambda ids: [
        {"query": ids["item_id"]},
        {"item_id": ids["item_id"]},
        {"query": "it shows", "filters": {"item_ids": [ids["item_id"]]}},
        {"query": "it shows", "filters": {"collection_id": ids["collection_id"]}, "facets": True},
    ],
    ("POST", "/api/v1/uploads"): lambda ids: [
        {**NEW, "filename": "new.jpg"},
        {**NEW, "filename": "new.jpg", "sha256": ids["sha256"]},
    ],
    ("POST", "/api/v1/uploads/{upload_id}/complete"): lambda ids: [
        {"parts": [{"number": 1, "etag": ids["part_etag"]}]}
    ],
    ("POST", "/api/v1/failures/redrive"): lambda ids: [{"item_id": ids["item_id"]}],
    ("POST", "/api/v1/registration"): lambda ids: [{"email": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/accounts"): lambda ids: [{"token": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/password"): lambda ids: [{"token": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/verifications"): lambda ids: [{"token": ids["email"]}],
    ("POST", "/api/v1/password-resets"): lambda ids: [{"email": ids["email"]}],
    ("POST", "/api/v1/invitations"): lambda ids: [{"email": ids["email"]}],
    ("POST", "/api/v1/me/email"): lambda ids: [{"email": ids["other_email"], "current_password": PASSWORD}],
    ("POST", "/api/v1/sessions"): lambda ids: [{"email": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/sessions/refresh"): lambda ids: [{"refresh_token": ids["email"]}],
    ("POST", "/api/v1/api-keys"): lambda ids: [{"name": "new", "scopes": ["read"]}],
    ("PATCH", "/api/v1/me"): lambda ids: [{}],
    ("POST", "/api/v1/documents"): lambda ids: [f"%PDF-1.4 new {next(_numbers)}".encode()],
    ("POST", "/api/v1/collections"): lambda ids: [{"name": f"new {next(_numbers)}"}],
    ("PATCH", "/api/v1/collections/{collection_id}"): lambda ids: [{"description": "new"}],
    ("POST", "/api/v1/collections/{collection_id}/items"): lambda ids: [{"item_ids": [ids["item_id"]]}],
    ("POST", "/api/v1/conversations"): lambda ids: [{"title": "new"}],
    ("PATCH", "/api/v1/conversations/{conversation_id}"): lambda ids: [{"title": ""}],
    ("POST", "/api/v1/conversations/{conversation_id}/messages"): lambda ids: [
        {"content": ids["item_id"]},
        {"content": ids["item_id"], "item_ids": [ids["item_id"]]},
        {"content": ids["item_id"], "collection_id": ids["collection_id"]},
    ],
}
QUERIES = {("POST", "/api/v1/documents"): "?filename=new.pdf"}
# A new key says nothing of whose it is, nor do a new document, a new collection and a picture.
SILENT = {("POST", "/api/v1/api-keys"), ("POST", "/api/v1/documents"), ("POST", "/api/v1/collections")}
SILENT |= {
    ("GET", f"/api/v1/documents/{{document_id}}/pages/{{n}}/{part}") for part in ("image", "thumbnail")
}
SILENT |= {("POST", "/api/v1/conversations")}
# A mail is on its way: to whom it went says nothing of who has the address.
SILENT |= {("POST", "/api/v1/me/email")}
MAILS = {"/api/v1/me/email"}
# In DynamoDB, under their user's key: no condition of SQL's, and no policy, keeps them apart.
SESSIONS = {"/api/v1/sessions", "/api/v1/sessions/current"}
# Open to everybody, and nobody's in particular; all others want to know who asks.
PUBLIC = {"GET /", "GET /api/v1/openapi.json", "GET /health", "GET /health/live", "GET /health/ready"}
PUBLIC |= {"GET /api/v1/registration", "POST /api/v1/registration"}
PUBLIC |= {"POST /api/v1/sessions", "POST /api/v1/sessions/refresh"}
PUBLIC |= {f"POST /api/v1/{name}" for name in ("accounts", "password", "password-resets", "verifications")}
# Deletions last, the innermost first: what they delete is asked for by the others.
ROUTES = sorted(
    app.app.declared,
    key=lambda r: (r.method == "DELETE", (r.method == "DELETE") * -r.path.count("/"), r.path, r.method),
)
PRIVATE = [route for route in ROUTES if not route.public and not route.admin]


@dataclass(frozen=True)
class Asked:
    """One request: its route, filled in, and the answer's text with all that differs by design made equal."""

    route: Route
    ids: Ids
    body: Any
    status: int
    headers: dict[str, str]
    text: str

    @property
    def name(self) -> str:
        return f"{self.route.method} {self.route.path} {self.body or ''}".strip()


@dataclass
class Hall:
    """Users of one app. Each has things twice whose names, texts and keys tell whose they are."""

    world: World
    client: Client
    monkeypatch: pytest.MonkeyPatch
    ids: dict[str, Ids] = field(default_factory=dict)

    def make_ids(self, user: str) -> Ids:
        """New things of this user's, by the name of the path parameter, and what bodies need."""
        item_id, document_id = f"{user}secret-{next(_numbers)}", f"{user}secret-document-{next(_numbers)}"
        pdf = make_pdf(f"BT /F 12 Tf 10 50 Td ({document_id}) Tj ET")
        self.world.ingest(f"{user}/{document_id}.pdf", pdf)
        self.world.ingest(f"{user}/{item_id}.jpg", jpeg(size=(40 + next(_numbers), 40)))
        named = self.ask(user, NEW_COLLECTION, {}, {"name": f"{user}secret {next(_numbers)}"})
        collection = {"collection_id": json.loads(named.text)["id"]}
        self.ask(user, FILL_COLLECTION, collection, {"item_ids": [item_id]})
        upload = self.ask(user, UPLOAD, {}, {**NEW, "filename": f"{user}secret.jpg"})
        key = self.ask(user, NEW_KEY, {}, {"name": f"{user}secret", "scopes": ["read"]})
        (task,) = self.world.sql(f"SELECT id FROM tasks WHERE item_id = '{item_id}' AND stage = 'embed'")
        return {
            "item_id": item_id,
            "upload_id": json.loads(upload.text)["id"],
            "part_etag": send_part(json.loads(upload.text)["parts"][0]["url"], b"x" * 9),
            "failure_id": f"task-{task[0]}",
            "sha256": self.world.item(item_id)["sha256"],
            "key_id": json.loads(key.text)["id"],
            "email": f"{user}@example.org",
            "other_email": "carol@example.org",
            "document_id": document_id,
            "file_hash": self.world.item(document_id)["sha256"],
            "n": "1",
            **collection,
            **self.talk(user, item_id),
        }

    def talk(self, user: str, item_id: str) -> Ids:
        """A conversation with an answer, whose run is still to be done and tells whose it is."""
        talk = {"conversation_id": json.loads(self.ask(user, NEW_TALK, {}, {}).text)["id"]}
        assert self.ask(user, ASK, talk, {"content": f"{item_id}?"}).status == 201
        (run,) = self.world.sql(
            f"UPDATE runs SET state = 'queued', output = NULL, error_code = 'x', error_message = '{item_id}'"
            f" WHERE input ->> 'conversation_id' = '{talk['conversation_id']}' RETURNING id::text"
        )
        return {**talk, "run_id": run[0]}

    def ask(self, user: str | None, route: Route, ids: Ids, body: Any, key: str | None = None) -> Asked:
        self.be(user)
        path = route.path.format(**{name: quote(value, safe="") for name, value in ids.items()})
        path += QUERIES.get((route.method, route.path), "")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": route.raw or "application/json"} if body is not None else {}
        if user:
            headers["Authorization"] = f"Bearer {self.sign_in(user)}"
        if key:
            headers["Idempotency-Key"] = key
        answer = self.client.http.request(route.method, path, headers=headers, body=raw)
        return Asked(
            route, ids, body, answer.status_code, dict(answer.headers), answer.body.decode(errors="replace")
        )

    def sign_in(self, user: str) -> str:
        """An access token of a new session, whose user agent tells whose it is."""
        now_s, session_id = int(time()), new_session_id(int(time()) * 1000)
        times = {"created_at": now_s, "last_used_at": now_s, "expires_at": now_s + 60}
        names = {"refresh_sha256": "", "address": ""}
        session = Session(user_id=user, id=session_id, user_agent=f"{user}secret/1", **names, **times)
        wiring.sessions().insert(session)
        return make_access_token(wiring.signing(), user_id=user, session_id=session_id, now_s=now_s)

    def be(self, user: str | None) -> None:
        if user:
            self.monkeypatch.setenv("ANONYMOUS_USER", user)
        else:
            self.monkeypatch.delenv("ANONYMOUS_USER", raising=False)
        wiring.settings.forget()
        app.edge.cache_clear()

    def rows(self, user: str) -> dict[str, list[Any]]:
        """All rows of this user's, by table, as the superuser sees them."""
        tables = self.world.sql(
            "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name)"
            " WHERE column_name = 'user_id' AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        one = "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {} t WHERE user_id = '{}'"
        return {table: self.world.sql(one.format(table, user))[0][0] for (table,) in tables}


UPLOAD, SEARCH, NEW_KEY, NEW_COLLECTION, FILL_COLLECTION, NEW_TALK, ASK = (
    next(r for r in ROUTES if r.handler.__name__ == name)
    for name in (
        "create_upload",
        "search_items",
        "create_api_key",
        "create_collection",
        "add_collection_items",
        "create_conversation",
        "create_message",
    )
)
CONDITION = re.compile(r"(?:\b\w+\.)?\b(?:user_id|owner|id) = %\((?:user_id|owner)\)s")


@pytest.fixture
def hall(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.setattr(files, "PARTS_ABOVE_BYTES", 8)
    monkeypatch.setenv("ENVIRONMENT", "dev")  # where nobody is an administrator
    monkeypatch.setenv("MAIL_FROM", SENDER)
    monkeypatch.setenv("CONSOLE_URL", CONSOLE)
    monkeypatch.setenv(
        "RATE_LIMITS", json.dumps(dict.fromkeys(("login", "account", "mail"), "900/1m 9000/1h"))
    )
    world.aws.client("sesv2").create_email_identity(EmailIdentity="example.org")
    password_hash = hash_password(PASSWORD)
    hall = Hall(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch)
    hall.be(None)
    for user in ("alice", "bob", "carol"):
        world.sql(
            f"INSERT INTO users (id) VALUES ('{user}');"
            "INSERT INTO accounts (user_id, email, password_hash, name)"
            f" VALUES ('{user}', '{user}@example.org', '{password_hash}', '{user}secret')"
        )
    for user in ("alice", "bob"):
        hall.make_ids(user)
        hall.ids[user] = hall.make_ids(user)
    yield hall
    app.edge.cache_clear()


def requests(route: Route, ids: Ids) -> list[tuple[Ids, Any]]:
    """What to send to a route about these things: path parameters and body, several where it matters."""
    path = {name: ids[name] for name in re.findall(r"\{(\w+)\}", route.path)}
    takes_body = route.body or route.raw
    return [(path, body) for body in (BODIES[route.method, route.path](ids) if takes_body else [None])]


def tells_of(user: str, asked: Asked) -> bool:
    told = asked.text + json.dumps(asked.headers)
    return f"{user}secret" in told or f"{user}/" in told


def comparable(asked: Asked) -> Any:
    """Status, headers and body without the request's id and count, and with one name for the ids asked for."""
    headers = {name: value for name, value in asked.headers.items() if name != "RateLimit"}
    text = json.dumps([asked.status, headers, asked.text])
    for value in [asked.headers["X-Request-Id"], *asked.ids.values()]:
        text = text.replace(value, "*")
    return text


def leaks(hall: Hall, routes: list[Route]) -> set[str]:
    """Where bob, asking for what is alice's, gets anything else than for what is missing, or hears of her."""
    found = set()
    for route in routes:
        theirs, missing = requests(route, hall.ids["alice"]), requests(route, MISSING)
        for (path, body), (no_path, no_body) in zip(theirs, missing, strict=True):
            asked, nothing = hall.ask("bob", route, path, body), hall.ask("bob", route, no_path, no_body)
            same = comparable(asked) == comparable(nothing) if path else asked.status == nothing.status
            if (path and asked.status != 404) or not same or tells_of("alice", asked):
                found.add(asked.name)
    return found


def test_anothers_is_as_missing_as_what_never_was(hall: Hall) -> None:
    before = hall.rows("alice")
    assert leaks(hall, PRIVATE) == set()
    assert hall.rows("alice") == before


def test_every_path_is_declared_but_the_gateways() -> None:
    assert set(app.app.routes) - {route.path for route in ROUTES} == {"/{proxy+}"}


def test_every_route_asks_who_it_is(hall: Hall) -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES if route.public} == PUBLIC
    for route in ROUTES:
        for path, body in requests(route, hall.ids["alice"]):
            nobody, own = hall.ask(None, route, path, body), hall.ask("alice", route, path, body)
            assert not tells_of("alice", nobody) and not tells_of("bob", own), own.name
            if route.public:
                assert nobody.status == own.status, own.name
                continue
            assert (nobody.status, json.loads(nobody.text)["code"]) == (401, "unauthenticated"), own.name
            assert own.status == 403 if route.admin else own.status < 400, own.name
            for key in re.findall(rf"/{BUCKET}/([^?]+)", own.headers.get("Location", "")):
                assert key.startswith(("alice/", "_derived/alice/")), own.name
            # Else the others' silence would mean nothing.
            silent = (route.method, route.path) in SILENT or route.method == "DELETE"
            assert tells_of("alice", own) or route.admin or silent, own.name


@pytest.fixture
def without_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores' statements with every condition on the user taken out."""
    for module in pkgutil.walk_packages(chalicelib.stores.__path__, "chalicelib.stores."):
        statements = getattr(importlib.import_module(module.name), "SQL", {})
        for name, statement in statements.items():
            monkeypatch.setitem(statements, name, CONDITION.sub("true", statement))


def test_without_the_apps_own_conditions_there_is_still_no_leak(hall: Hall, without_where: None) -> None:
    before = hall.rows("alice")
    assert leaks(hall, PRIVATE) == set()
    assert hall.rows("alice") == before


def test_without_the_policies_as_well_every_route_leaks(hall: Hall, without_where: None) -> None:
    """What the test above takes out is all that there is but the policies."""
    tables = hall.world.sql("SELECT relname FROM pg_class WHERE relrowsecurity")
    hall.world.sql("; ".join(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for (table,) in tables))
    assert {name.split()[1] for name in leaks(hall, PRIVATE)} == {
        route.path for route in PRIVATE
    } - SESSIONS - MAILS
