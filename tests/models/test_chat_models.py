"""The chat models' HTTP clients against a real server: what is sent, what is understood, what each refusal becomes."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import CollectionsError, Misconfigured, ModelRefused, Throttled, Unavailable
from chalicelib.model.chat.answers import SCHEMA
from chalicelib.providers import ChatModel
from chalicelib.providers.models.chat_anthropic import AnthropicChat
from chalicelib.providers.models.chat_openai import OPENAI_URL, OpenAIChat
from chalicelib.settings import InvalidSetting, Settings
from tests.support.settings import SETTINGS

KEY = "sk-very-secret-0123456789"
VALUE = {"sentences": [{"text": "Yes.", "citations": []}]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": VALUE}


class Server(ThreadingHTTPServer):
    """Answers every POST with `status` and `body`; keeps what was asked."""

    daemon_threads = True
    status: int = 200
    body: Any = None
    path: str = ""
    headers: dict[str, str]
    asked: Any = None


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.path, server.headers = self.path, {n.lower(): v for n, v in self.headers.items()}
            server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            raw = server.body if isinstance(server.body, bytes) else json.dumps(server.body).encode()
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def openai(server: Server) -> OpenAIChat:
    return OpenAIChat(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key=KEY, model="m-1")


def anthropic(server: Server) -> AnthropicChat:
    return AnthropicChat(base_url=f"http://127.0.0.1:{server.server_port}", api_key=KEY, model="m-2")


def ask(chat: ChatModel) -> Any:
    return chat.complete("Be brief.", "Is it?", schema=SCHEMA, max_tokens=99, timeout_s=5.0)


def completion(**choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": json.dumps(VALUE), "refusal": None}
    made = {"index": 0, "finish_reason": "stop", "message": message, **choice}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return {"id": "c", "object": "chat.completion", "model": "m-1", "choices": [made], "usage": usage}


def message(**given: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 2, "cache_creation_input_tokens": None}
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-2", "stop_reason": "tool_use"}
    return {**made, "content": [CALL], "usage": {**usage, "output_tokens": 3}, **given}


def test_what_openai_is_sent(server: Server) -> None:
    server.body = completion()
    answer = ask(openai(server))
    assert (answer.value, answer.input_tokens, answer.output_tokens) == (VALUE, 12, 3)
    assert (server.path, server.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert server.asked == {
        "model": "m-1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        },
        "max_tokens": 99,
    }


def test_openai_itself_is_told_the_limit_by_its_new_name() -> None:
    assert OpenAIChat(base_url=OPENAI_URL, api_key=KEY, model="m")._limit == "max_completion_tokens"


def test_what_anthropic_is_sent(server: Server) -> None:
    server.body = message()
    answer = ask(anthropic(server))
    assert (answer.value, answer.input_tokens, answer.output_tokens) == (VALUE, 12, 3)
    assert (server.path, server.headers["x-api-key"]) == ("/v1/messages", KEY)
    assert (server.headers["anthropic-version"], "authorization" in server.headers) == ("2023-06-01", False)
    assert server.asked == {
        "model": "m-2",
        "max_tokens": 99,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Is it?"}],
        "tools": [{"name": "answer", "description": "Give the answer.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "answer", "disable_parallel_tool_use": True},
    }


def strict(schema: Any) -> Iterator[Any]:
    """Yield every object's schema within a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from strict(part)


def test_the_schema_is_one_that_a_model_can_be_held_to() -> None:
    """OpenAI's strict mode wants all members required and no others."""
    objects = list(strict(SCHEMA))
    assert len(objects) == 3
    for each in objects:
        assert (each["additionalProperties"], sorted(each["properties"])) == (False, sorted(each["required"]))


OPENAI_ERRORS: list[tuple[int, Any, type[CollectionsError], str]] = [
    (200, completion(finish_reason="length"), Unavailable, "model_cut_off"),
    (200, completion(finish_reason="content_filter"), ModelRefused, "model_refused"),
    (200, completion(message={"content": None, "refusal": "I cannot."}), ModelRefused, "model_refused"),
    (200, completion(message={"content": "Sure! Here it is"}), Unavailable, "unavailable"),
    (200, completion(message={"content": None}), Unavailable, "unavailable"),
    (200, completion(message={"content": "[" * 200_000}), Unavailable, "unavailable"),
    (200, {"choices": []}, Unavailable, "unavailable"),
    (200, {**completion(), "usage": {"prompt_tokens": "many"}}, Unavailable, "unavailable"),
    (200, {**completion(), "usage": {"prompt_tokens": float("inf")}}, Unavailable, "unavailable"),
    (200, {**completion(), "usage": {"completion_tokens": [1]}}, Unavailable, "unavailable"),
    (200, [], Unavailable, "unavailable"),
    (200, b"[" * 200_000, Unavailable, "unavailable"),
    (200, b"<html>", Unavailable, "unavailable"),
    (400, {"error": {"code": "context_length_exceeded"}}, Unavailable, "model_rejected"),
    (401, {"error": {"code": "invalid_api_key"}}, Misconfigured, "misconfigured"),
    (404, {"error": {"code": "model_not_found"}}, Misconfigured, "misconfigured"),
    (429, {"error": {"code": "rate_limit_exceeded"}}, Throttled, "throttled"),
    (429, {"error": {"code": "insufficient_quota"}}, Misconfigured, "misconfigured"),
    (500, {}, Unavailable, "unavailable"),
]
ANTHROPIC_ERRORS: list[tuple[int, Any, type[CollectionsError], str]] = [
    (200, message(stop_reason="max_tokens"), Unavailable, "model_cut_off"),
    (200, message(stop_reason="model_context_window_exceeded"), Unavailable, "model_cut_off"),
    (200, message(stop_reason="refusal", content=[]), ModelRefused, "model_refused"),
    (200, message(content=[{"type": "text", "text": "Sure!"}]), Unavailable, "unavailable"),
    (200, message(content="Sure!"), Unavailable, "unavailable"),
    (200, message(usage={"output_tokens": float("inf")}), Unavailable, "unavailable"),
    (200, message(usage={"cache_read_input_tokens": "many"}), Unavailable, "unavailable"),
    (200, {"type": "error"}, Unavailable, "unavailable"),
    (200, None, Unavailable, "unavailable"),
    (400, {"type": "error", "error": {"type": "invalid_request_error"}}, Unavailable, "model_rejected"),
    (401, {"type": "error", "error": {"type": "authentication_error"}}, Misconfigured, "misconfigured"),
    (429, {"type": "error", "error": {"type": "rate_limit_error"}}, Throttled, "throttled"),
    (529, {"type": "error", "error": {"type": "overloaded_error"}}, Unavailable, "unavailable"),
]


@pytest.mark.parametrize("case", OPENAI_ERRORS)
def test_what_openai_answers_instead(
    server: Server, case: tuple[int, Any, type[CollectionsError], str]
) -> None:
    refuse(server, openai(server), *case)


@pytest.mark.parametrize("case", ANTHROPIC_ERRORS)
def test_what_anthropic_answers_instead(
    server: Server, case: tuple[int, Any, type[CollectionsError], str]
) -> None:
    refuse(server, anthropic(server), *case)


def refuse(
    server: Server, chat: ChatModel, status: int, body: Any, error: type[CollectionsError], code: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(error) as raised:
        ask(chat)
    assert (type(raised.value), raised.value.code) == (error, code)
    assert KEY not in raised.value.message


@pytest.mark.parametrize(("said", "kept"), [(10**30, 10**9), (-5, 0), (None, 0), ("7", 7), (2.0, 2)])
def test_what_is_counted_can_be_kept(server: Server, said: Any, kept: int) -> None:
    server.body = {**completion(), "usage": {"prompt_tokens": said, "completion_tokens": said}}
    answer = ask(openai(server))
    assert (answer.input_tokens, answer.output_tokens) == (kept, kept)
    server.body = message(usage={"input_tokens": said, "output_tokens": said})
    answer = ask(anthropic(server))
    assert (answer.input_tokens, answer.output_tokens) == (kept, kept)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\u2019"])
def test_a_key_that_fits_no_header_is_said_to_be_wrong_without_being_said(key: str) -> None:
    for chat in (OpenAIChat, AnthropicChat):
        with pytest.raises(Misconfigured, match="has a key with characters") as raised:
            chat(base_url="http://127.0.0.1:1", api_key=key, model="m")
        assert KEY not in str(raised.value)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_an_answer_in_drops_has_no_more_time_than_another(connection: str) -> None:
    def drip(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65_536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: {connection}\r\n\r\n"
            peer.sendall(head.encode())
            for _ in range(1000):
                time.sleep(0.1)
                peer.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        chat = OpenAIChat(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key=KEY, model="m")
        start = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            chat.complete("", "", schema=SCHEMA, max_tokens=9, timeout_s=0.7)
        assert time.monotonic() - start < 10  # 100 s were it waited for


@pytest.mark.parametrize(
    ("variables", "provider"),
    [
        ({}, None),
        ({"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}, None),
        ({"CHAT_MODEL": "m", "ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}, AnthropicChat),
        ({"CHAT_MODEL": "m", "OPENAI_API_KEY": KEY}, OpenAIChat),
        ({"CHAT_MODEL": "m", "ANTHROPIC_API_KEY": KEY, "CHAT_URL": "http://127.0.0.1:1/v1"}, OpenAIChat),
    ],
)
def test_what_is_set_chooses_the_model(
    variables: dict[str, str], provider: type | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SETTINGS, **variables}.items():
        monkeypatch.setenv(name, value)
    for made in (wiring.settings, wiring.chat_model):
        made.forget()
    assert type(wiring.chat_model()) is (provider or type(None))
    for made in (wiring.settings, wiring.chat_model):
        made.forget()


@pytest.mark.parametrize("variables", [{"CHAT_MODEL": "m"}, {"CHAT_URL": "http://127.0.0.1:1/v1"}])
def test_half_a_model_is_refused_at_start(variables: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting, match=r"^CHAT_MODEL: "):
        Settings.from_env({**SETTINGS, **variables})
