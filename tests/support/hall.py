"""Users with things of every kind, who call every route of app.py with each other's ids.

A new route's path parameter is made in `make_ids`; hall_routes.py has the rest.
"""

import itertools
import json
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
from tests.support.hall_routes import CHAIN, MISSING, NEW, QUERIES, ROUTES, Ids
from tests.support.library_api import send_part
from tests.support.small_files import make_pdf
from tests.support.talking import document
from tests.support.world import World, jpeg

_numbers = itertools.count()
CALLED = """INSERT INTO usage_ledger (user_id, item_id, operation, provider, model, input_tokens, cached_tokens,
    cache_write_tokens, cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms)
    VALUES ('{0}', '{1}', 'analyze', 'anthropic', 'm', 1, 0, 0, 0, 1, 0, 0.5, '2026-01-01', 1)"""


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


def tells_of(user: str, asked: Asked) -> bool:
    told = asked.text + json.dumps(asked.headers)
    return f"{user}secret" in told or f"{user}/" in told
