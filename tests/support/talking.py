"""A user who asks questions over the API, with or without a chat model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from tests.support.long_pdf import make_long_pdf
from tests.support.people import Reply
from tests.support.provider_server import Chat
from tests.support.world import World, count_no_requests

TALKS = "/api/v1/conversations"


@dataclass
class Talk:
    world: World
    client: Client
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """JSON's answer as it is, any other's as text."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given["Content-Type"] = "application/json"
        raw = json.dumps(body).encode() if body is not None else b""
        answer = self.client.http.request(method, path, headers=given, body=raw)
        is_json = "json" in answer.headers.get("Content-Type", "")
        text = answer.body.decode()
        return Reply(answer.status_code, json.loads(text) if is_json else text, dict(answer.headers))

    def be(self, user: str) -> None:
        self.monkeypatch.setenv("ANONYMOUS_USER", user)
        wiring.settings.forget()

    def use_model(self, chat: Chat) -> None:
        """Let a model write answers from now on: what `chat` makes of each prompt."""
        self.world.providers.chat = chat
        self.monkeypatch.setenv("CHAT_PROVIDER", "openai")
        self.monkeypatch.setenv("CHAT_URL", f"{self.world.providers.url}/v1")
        self.monkeypatch.setenv("CHAT_MODEL", "stub-1")
        wiring.settings.forget()
        wiring.chat_model.forget()

    def begin(self, title: str = "") -> str:
        reply = self("POST", TALKS, {"title": title})
        assert reply.status == 201, reply
        return str(reply.body["id"])

    def ask(self, talk: str, content: str, *, headers: dict[str, str] | None = None, **bound: Any) -> Reply:
        return self("POST", f"{TALKS}/{talk}/messages", {"content": content, **bound}, **(headers or {}))

    def answer(self, talk: str, content: str, **bound: Any) -> dict[str, Any]:
        reply = self.ask(talk, content, **bound)
        assert reply.status == 201, reply
        answer: dict[str, Any] = reply.body
        return answer

    def messages(self, talk: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self("GET", f"{TALKS}/{talk}/messages?limit=100").body["data"]
        return rows

    def deliver_run(self, run_id: str, user_id: str = "alice") -> None:
        """Deliver a message that wakes the run, whoever `user_id` is."""
        self.world.deliver(self.run_message(run_id, user_id))

    def run_message(self, run_id: str, user_id: str = "alice") -> dict[str, Any]:
        found = self.world.sql(f"SELECT id FROM tasks WHERE run_id = '{run_id}'")
        task = {"user_id": user_id, "task_id": found[0][0] if found else 1_000_000, "kind": "answer"}
        return {"messageId": "m", "body": json.dumps({"task": task})}


def document(*pages: str) -> bytes:
    """Return a PDF with these texts, a page each."""
    return make_long_pdf(pages)


@pytest.fixture
def talk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    count_no_requests(monkeypatch)
    app.edge.cache_clear()
    yield Talk(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch)
    app.edge.cache_clear()
