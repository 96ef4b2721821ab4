"""Users with things of every kind, who call every route of app.py with each other's ids.

The routes are read from the app. A route that the tables below do not cover fails the tests: add its path parameter to
`make_ids` and `MISSING`, and its body to `BODIES`.
"""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time
from typing import Any
from urllib.parse import quote

import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.api.http.routes import Route
from chalicelib.model.accounts.sessions import Session
from chalicelib.model.accounts.tokens import make_access_token, new_session_id
from tests.support.library_api import send_part
from tests.support.people import PASSWORD
from tests.support.small_files import make_pdf
from tests.support.talking import document
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
    "open_run_id": "00000000-0000-4000-8000-000000000000",
    "job_id": "00000000-0000-4000-8000-000000000000",
    "idle_job_id": "00000000-0000-4000-8000-000000000000",
    "name": "results.jsonl",
    "deck_name": "never was",
    "exercise_id": "00000000-0000-4000-8000-000000000000",
    "evaluation_id": "00000000-0000-4000-8000-000000000000",
    "concept_id": "00000000-0000-4000-8000-000000000000",
    "deck_id": "00000000-0000-4000-8000-000000000000",
    "webhook_id": "00000000-0000-4000-8000-000000000000",
    "delivery_id": "00000000-0000-4000-8000-000000000000",
    "deletion_id": "00000000-0000-4000-8000-000000000000",
}
PRACTISED = "wear of a bicycle chain"
CHAIN = """A bicycle chain wears out after about 3000 kilometres of riding in rain. Mechanics measure the wear of a
chain with a gauge between two rivets. A worn chain damages the sprockets of the cassette within a season. Riders clean
the links with a brush and degrease the rollers with paraffin. Dry wax keeps dust away from the pins of the bicycle
chain. Shops replace the chainring together with every third chain. Tandems carry longer chains than racing bicycles."""
BODIES: dict[tuple[str, str], Callable[[Ids], list[Any]]] = {
    ("POST", "/api/v1/search"): lambda ids: [
        {"query": ids["item_id"], "include_weaker": True},
        {"item_id": ids["item_id"]},
        {"query": "it shows", "filters": {"item_ids": [ids["item_id"]]}, "include_weaker": True},
        {
            "query": "it shows",
            "filters": {"collection_id": ids["collection_id"]},
            "include_weaker": True,
            "facets": True,
        },
    ],
    ("POST", "/api/v1/uploads"): lambda ids: [
        {**NEW, "filename": "new.jpg"},
        {**NEW, "filename": "new.jpg", "sha256": ids["sha256"]},
    ],
    ("POST", "/api/v1/uploads/{upload_id}/complete"): lambda ids: [
        {"parts": [{"number": 1, "etag": ids["part_etag"]}]}
    ],
    ("POST", "/api/v1/jobs"): lambda ids: [
        {"name": "new"},
        {"name": "new", "collection_id": ids["collection_id"]},
    ],
    ("PATCH", "/api/v1/jobs/{job_id}"): lambda ids: [{"description": "new"}],
    ("POST", "/api/v1/runs"): lambda ids: [{"job_id": ids["job_id"]}],
    ("PATCH", "/api/v1/runs/{run_id}"): lambda ids: [{"max_cost_usd": 5}],
    ("POST", "/api/v1/runs/cancel"): lambda ids: [{"filter": {"job_id": ids["job_id"], "state": "failed"}}],
    ("POST", "/api/v1/runs/retry"): lambda ids: [{"filter": {"job_id": ids["job_id"], "state": "failed"}}],
    ("POST", "/api/v1/runs/{run_id}/upload-complete"): lambda ids: [
        {"parts": [{"number": 1, "etag": "0" * 32}]}
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
    ("DELETE", "/api/v1/me"): lambda ids: [{"current_password": PASSWORD}],
    ("POST", "/api/v1/webhooks"): lambda ids: [{"url": "https://hooks.invalid/", "events": ["run.failed"]}],
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): lambda ids: [{"enabled": True}],
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/redeliver"): lambda ids: [
        {"filter": {"event": "webhook.test"}}
    ],
    ("POST", "/api/v1/webhooks/{webhook_id}/secret"): lambda ids: [{"keep_old_hours": 0}],
    ("POST", "/api/v1/documents"): lambda ids: [f"%PDF-1.4 new {next(_numbers)}".encode()],
    ("POST", "/api/v1/collections"): lambda ids: [{"name": f"new {next(_numbers)}"}],
    ("PATCH", "/api/v1/collections/{collection_id}"): lambda ids: [{"description": "new"}],
    ("POST", "/api/v1/collections/{collection_id}/items"): lambda ids: [{"item_ids": [ids["item_id"]]}],
    ("POST", "/api/exercise/generate"): lambda ids: [
        {"concept_id": ids["concept_id"], "student_id": "s", "collection_id": ids["collection_id"]},
        {"concept_id": PRACTISED, "student_id": "s", "collection_id": ids["collection_id"]},
        {"concept_id": PRACTISED, "student_id": "t", "previous_exercise_id": ids["exercise_id"]},
    ],
    ("POST", "/api/exercise/evaluate"): lambda ids: [
        {"exercise_id": ids["exercise_id"], "student_id": "s", "response_text": "nothing"}
    ],
    ("POST", "/api/exercise/remediate"): lambda ids: [{"evaluation_id": ids["evaluation_id"]}],
    ("PATCH", "/api/v1/exercises/{exercise_id}"): lambda ids: [{"report": "wrong"}],
    ("POST", "/api/v1/decks"): lambda ids: [{"name": f"new {next(_numbers)}"}],
    ("PATCH", "/api/v1/decks/{deck_id}"): lambda ids: [{"name": f"{ids['deck_name']} {next(_numbers)}"}],
    ("POST", "/api/v1/decks/{deck_id}/exercises"): lambda ids: [{"exercise_ids": [ids["exercise_id"]]}],
    ("POST", "/api/v1/reviews"): lambda ids: [{"exercise_id": ids["exercise_id"], "rating": 3}],
    ("PATCH", "/api/v1/reviews/settings"): lambda ids: [{"new_a_day": 10}],
    ("POST", "/api/v1/reviews/log"): lambda ids: [b'{"exercise_id": "none"}'],
    ("POST", "/api/v1/conversations"): lambda ids: [{"title": "new"}],
    ("PATCH", "/api/v1/conversations/{conversation_id}"): lambda ids: [{"title": ""}],
    ("POST", "/api/v1/conversations/{conversation_id}/messages"): lambda ids: [
        {"content": ids["item_id"]},
        {"content": ids["item_id"], "item_ids": [ids["item_id"]]},
        {"content": ids["item_id"], "collection_id": ids["collection_id"]},
    ],
}
# What these routes need is not what the others need.
OTHERS = {
    ("DELETE", "/api/v1/jobs/{job_id}"): {"job_id": "idle_job_id"},
    ("PATCH", "/api/v1/runs/{run_id}"): {"run_id": "open_run_id"},
    ("GET", "/api/v1/runs/{run_id}/upload-url"): {"run_id": "open_run_id"},
}
QUERIES = {
    ("POST", "/api/v1/documents"): "?filename=new.pdf",
    ("GET", "/api/v1/usage"): "?group_by=item",
    ("GET", "/api/v1/reviews/due"): "?until=2999-01-01T00:00:00Z",
}
CALLED = """INSERT INTO usage_ledger (user_id, item_id, operation, provider, model, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms)
    VALUES ('{0}', '{1}', 'analyze', 'anthropic', 'm', 1, 0, 0, 0, 1, 0, 0.5, '2026-01-01', 1)"""
# A new key says nothing of whose it is, nor do a new document, a new collection and a picture.
SILENT = {("POST", "/api/v1/api-keys"), ("POST", "/api/v1/documents"), ("POST", "/api/v1/collections")}
SILENT |= {
    ("GET", f"/api/v1/documents/{{document_id}}/pages/{{n}}/{part}") for part in ("image", "thumbnail")
}
SILENT |= {("POST", "/api/v1/conversations"), ("GET", "/api/v1/runs/{run_id}/timeline")}
SILENT |= {("POST", "/api/v1/webhooks")}
SILENT |= {("POST", "/api/v1/jobs"), ("POST", "/api/v1/runs"), ("POST", "/api/v1/runs/{run_id}/retry")}
SILENT |= {("POST", "/api/v1/runs/cancel"), ("POST", "/api/v1/runs/retry")}
# A grade names the key, not whose exercise it is.
SILENT |= {("POST", "/api/exercise/evaluate")}
# Numbers and dates, a new deck, and a review of an exercise that is named by its id.
SILENT |= {("GET", f"/api/v1/reviews/{part}") for part in ("forecast", "streak", "settings", "log")}
SILENT |= {("PATCH", "/api/v1/reviews/settings"), ("POST", "/api/v1/reviews/log")}
SILENT |= {("POST", "/api/v1/reviews"), ("POST", "/api/v1/decks")}
# A mail is on its way: to whom it went says nothing of who has the address.
SILENT |= {("POST", "/api/v1/me/email")}
# Open to everybody, and nobody's in particular; all others want to know who asks.
PUBLIC = {
    "GET /",
    "GET /api/v1/account-deletions/{deletion_id}",
    "GET /api/v1/openapi.json",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
PUBLIC |= {"GET /api/v1/registration", "POST /api/v1/registration"}
PUBLIC |= {"POST /api/v1/sessions", "POST /api/v1/sessions/refresh"}
PUBLIC |= {f"POST /api/v1/{name}" for name in ("accounts", "password", "password-resets", "verifications")}
END = ("DELETE", "/api/v1/me")
# Deletions last, the innermost first: what they delete is asked for by the others. The account's end is the last.
ROUTES = sorted(
    app.app.declared,
    key=lambda r: (
        (r.method, r.path) == END,
        r.method == "DELETE",
        (r.method == "DELETE") * -r.path.count("/"),
        r.path,
        r.method,
    ),
)
# The account's end names nobody else's things, and its user could not ask a second time.
PRIVATE = [
    route for route in ROUTES if not route.public and not route.admin and (route.method, route.path) != END
]


@dataclass(frozen=True)
class Asked:
    """A request to a route, and its response."""

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
    """Users of one app. The names, texts and keys of their things tell whose they are."""

    world: World
    client: Client
    monkeypatch: pytest.MonkeyPatch
    ids: dict[str, Ids] = field(default_factory=dict)
    practised: dict[str, Ids] = field(default_factory=dict)

    def make_ids(self, user: str) -> Ids:
        """Make things of this user; return their ids by path parameter, and what bodies need."""
        item_id, document_id = f"{user}secret-{next(_numbers)}", f"{user}secret-document-{next(_numbers)}"
        pdf = make_pdf(f"BT /F 12 Tf 10 50 Td ({document_id}) Tj ET")
        self.world.ingest(f"{user}/{document_id}.pdf", pdf)
        self.world.ingest(f"{user}/{item_id}.jpg", jpeg(size=(40 + next(_numbers), 40)))
        named = self.ask(user, NEW_COLLECTION, {}, {"name": f"{user}secret {next(_numbers)}"})
        collection = {"collection_id": json.loads(named.text)["id"]}
        self.ask(user, FILL_COLLECTION, collection, {"item_ids": [item_id]})
        upload = self.ask(user, UPLOAD, {}, {**NEW, "filename": f"{user}secret.jpg"})
        key = self.ask(user, NEW_KEY, {}, {"name": f"{user}secret", "scopes": ["read"]})
        self.world.sql(CALLED.format(user, item_id))
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
            "deletion_id": MISSING["deletion_id"],
            "document_id": document_id,
            "file_hash": self.world.item(document_id)["sha256"],
            "n": "1",
            **collection,
            **self.talk(user, item_id),
            **self.hook(user),
            **self.work(user, item_id),
            "name": "results.jsonl",
            **(practised := self.practice(user, collection)),
            **self.deck(user, practised),
        }

    def deck(self, user: str, practised: Ids) -> Ids:
        """Return a deck with the exercise, which is due; its name tells whose it is."""
        name = f"{user}secret {next(_numbers)}"
        deck = {"deck_id": json.loads(self.ask(user, NEW_DECK, {}, {"name": name}).text)["id"]}
        assert self.ask(user, FILL_DECK, deck, {"exercise_ids": [practised["exercise_id"]]}).status == 200
        return {**deck, "deck_name": name}

    def practice(self, user: str, collection: Ids) -> Ids:
        """Return an exercise with a wrong answer, and a concept of another exercise: both tell whose they are.

        They are made once for each user: a second exercise would be refused as a copy.
        """
        if user not in self.practised:
            self.practised[user] = self._practise(user, collection)
        return self.practised[user]

    def _practise(self, user: str, collection: Ids) -> Ids:
        practised_id, secret = f"{user}secret-practised-{next(_numbers)}", f"{user}secret"
        self.world.ingest(f"{user}/{practised_id}.pdf", document(CHAIN))
        self.ask(user, FILL_COLLECTION, collection, {"item_ids": [practised_id]})
        made = []
        for phrase in (f"{secret} bicycle chain", f"{secret} worn chain"):
            new = {"concept_id": phrase, "student_id": secret, "item_ids": [practised_id]}
            made.append(json.loads(self.ask(user, GENERATE, {}, new).text)["exercise"])
        answer = {"exercise_id": made[0]["exercise_id"], "student_id": secret, "response_text": "nothing"}
        evaluation = json.loads(self.ask(user, EVALUATE, {}, answer).text)["evaluation"]
        return {
            "exercise_id": made[0]["exercise_id"],
            "evaluation_id": evaluation["evaluation_id"],
            "concept_id": made[1]["concept_id"],
        }

    def work(self, user: str, item_id: str) -> Ids:
        """Return a job with a run that has ended and an open one, and a job without a run, that tell whose they are."""
        secret = f"{user}secret"
        job, idle = (json.loads(self.ask(user, NEW_JOB, {}, {"name": secret}).text)["id"] for _ in range(2))
        ended, opened = (
            json.loads(self.ask(user, NEW_RUN, {}, {"job_id": job}).text)["id"] for _ in range(2)
        )
        self.world.sql(
            f"UPDATE job_runs SET error_code = 'x', error_message = '{secret}' WHERE job_id = '{job}';"
            "UPDATE job_runs SET state = 'cancelled', finished_at = now(), files_at = now(), input_key = 'x', total = 1"
            f" WHERE run_id = '{ended}';"
            "INSERT INTO run_files (user_id, run_id, number, name, item_id, outcome, code)"
            f" VALUES ('{user}', '{ended}', 1, '{secret}', '{item_id}', 'failed', 'x')"
        )
        return {"job_id": job, "idle_job_id": idle, "run_id": ended, "open_run_id": opened}

    def hook(self, user: str) -> Ids:
        """Return a webhook with a delivery that tells whose they are."""
        secret = f"{user}secret"
        new = {"url": f"https://hooks.invalid/{secret}", "events": ["run.failed"], "description": secret}
        hook = {"webhook_id": json.loads(self.ask(user, NEW_HOOK, {}, new).text)["id"]}
        sent = json.loads(self.ask(user, TEST_HOOK, hook, None).text)["id"]
        data = json.dumps({"name": f"{user}secret"})
        self.world.sql(f"UPDATE webhook_deliveries SET data = '{data}' WHERE id = '{sent}'")
        return {**hook, "delivery_id": sent}

    def talk(self, user: str, item_id: str) -> Ids:
        """Return a conversation with an answer, whose run is still to be done and tells whose it is."""
        talk = {"conversation_id": json.loads(self.ask(user, NEW_TALK, {}, {}).text)["id"]}
        assert self.ask(user, ASK, talk, {"content": f"{item_id}?"}).status == 201
        self.world.sql(
            f"UPDATE tasks SET state = 'ready', output = NULL, error_code = 'x', error_message = '{item_id}'"
            f" WHERE input ->> 'conversation_id' = '{talk['conversation_id']}'"
        )
        return talk

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
        """Return an access token of a new session, whose user agent tells whose it is."""
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
        """Return all rows of this user's, by table, as the superuser sees them."""
        tables = self.world.sql(
            "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name)"
            " WHERE column_name = 'user_id' AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        one = "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {} t WHERE user_id = '{}'"
        return {table: self.world.sql(one.format(table, user))[0][0] for (table,) in tables}


(
    UPLOAD,
    SEARCH,
    NEW_KEY,
    NEW_COLLECTION,
    FILL_COLLECTION,
    NEW_TALK,
    ASK,
    NEW_HOOK,
    TEST_HOOK,
    NEW_JOB,
    NEW_RUN,
    GENERATE,
    EVALUATE,
    NEW_DECK,
    FILL_DECK,
) = (
    next(r for r in ROUTES if r.handler.__name__ == name)
    for name in (
        "create_upload",
        "search_items",
        "create_api_key",
        "create_collection",
        "add_collection_items",
        "create_conversation",
        "create_message",
        "create_webhook",
        "send_test",
        "create_job",
        "create_run",
        "generate_exercise",
        "evaluate_answer",
        "create_deck",
        "add_deck_exercises",
    )
)


def requests(route: Route, ids: Ids) -> list[tuple[Ids, Any]]:
    """Return what to send to a route about these things: (path parameters, body), sometimes several."""
    others = OTHERS.get((route.method, route.path), {})
    path = {name: ids[others.get(name, name)] for name in re.findall(r"\{(\w+)\}", route.path)}
    takes_body = route.body or route.raw
    return [(path, body) for body in (BODIES[route.method, route.path](ids) if takes_body else [None])]


def tells_of(user: str, asked: Asked) -> bool:
    told = asked.text + json.dumps(asked.headers)
    return f"{user}secret" in told or f"{user}/" in told
