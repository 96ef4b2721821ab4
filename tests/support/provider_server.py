"""A stand-in for the providers: speaks their real wire formats on 127.0.0.1, its mood set by the test."""

import hashlib
import json
import re
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 64


@dataclass
class Providers:
    """`fail_with`: statuses the next requests get, in order; `headers` go with them."""

    url: str = ""
    fail_with: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    embedded: list[str] = field(default_factory=list)
    analyzed: list[str] = field(default_factory=list)
    pictures: dict[str, list[float]] = field(default_factory=dict)  # what images show, by name
    texts: dict[str, str] = field(default_factory=dict)  # the text in images, by name
    read: "Read" = lambda _jpeg: ""
    pages: list[str | int] = field(default_factory=list)  # what `read` said, call by call
    chat: "Chat" = lambda _asked: {"sentences": []}
    asked: list[Any] = field(default_factory=list)
    said: Any = None  # what `chat` said last; asked to repair it, the model insists
    chat_answer: Any = None
    fail_chat_with: list[int] = field(default_factory=list)
    delay_s: float = 0.0
    traceparents: list[str | None] = field(default_factory=list)  # that came with the requests


# What is written on a page's picture, or the status of an answer without it.
Read = Callable[[bytes], str | int]
# What the chat model makes of the prompt, which is JSON; a string is sent as it is, and so is a whole completion.
Chat = Callable[[Any], Any]


def embedding(text: str) -> list[float]:
    """Return a bag of words hashed into DIMENSIONS buckets: texts that share words are near."""
    vector = [1e-3] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector


def next_embedding(text: str) -> list[float]:
    """Return what another model makes of the text: half the dimensions, and other places."""
    first, second = (embedding(text)[start::2] for start in (0, 1))
    return [a + b for a, b in zip(reversed(first), second, strict=True)]


@contextmanager
def provider_server() -> Iterator[Providers]:
    providers = Providers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            providers.traceparents.append(self.headers["traceparent"])
            if providers.fail_with:
                return self._send(providers.fail_with.pop(0), {"error": {"message": "no"}}, providers.headers)
            if self.path.endswith("/embeddings"):
                providers.embedded += body["input"]
                made = next_embedding if body["model"].startswith("next") else embedding
                data = [{"index": i, "embedding": made(text)} for i, text in enumerate(body["input"])]
                return self._send(200, {"object": "list", "data": data, "model": body["model"]})
            if self.path.endswith("/multimodalembeddings"):  # it sees nothing in a picture
                texts = [each["content"][0]["text"] for each in body["inputs"]]
                providers.embedded += texts
                fill = [0.0] * (body["output_dimension"] - DIMENSIONS)
                rows = [{"index": i, "embedding": embedding(text) + fill} for i, text in enumerate(texts)]
                return self._send(200, {"data": rows, "usage": {"total_tokens": 1}})
            if self.path.endswith("/rerank"):  # the last document is the best
                providers.asked.append(body)
                scores = [n / len(body["documents"]) for n in range(len(body["documents"]))]
                rows = [{"index": n, "relevance_score": score} for n, score in enumerate(scores)]
                return self._send(200, {"results": rows[::-1]})
            if self.path.endswith(("/chat/completions", "/v1/messages")):
                time.sleep(providers.delay_s)
                providers.asked.append(body)
                if providers.fail_chat_with:
                    status = providers.fail_chat_with.pop(0)
                    return self._send(status, {"error": {"message": "no"}}, providers.headers)
                return self._send(200, providers.chat_answer or self._chat(body))
            if self.path.endswith("/read"):
                said = providers.read(b64decode(body["page_jpeg"]))
                providers.pages.append(said)
                status = said if isinstance(said, int) else 200
                return self._send(status, {"text": said}, providers.headers)
            providers.analyzed.append(body["name"])
            first = (body["text"] or body["name"]).strip()[:80]
            answer = {"category": "photo", "summary": f"It shows {first}.", "labels": ["test label"]}
            if body["name"] in providers.pictures:
                answer |= {"picture": providers.pictures[body["name"]], "picture_model": "test-pictures"}
            answer |= {"text_in_image": providers.texts.get(body["name"], "")}
            self._send(200, {**answer, "language": "en", "provider": "test", "model": "t1"})

        def _chat(self, body: Any) -> Any:
            prompt = json.loads(body["messages"][-1]["content"])
            if "mistake" not in prompt:
                providers.said = providers.chat(prompt)
            value = providers.said
            if self.path.endswith("/v1/messages"):
                block = {"type": "text", "text": json.dumps(value)}
                usage = {"input_tokens": 11, "output_tokens": 7}
                return {"content": [block], "stop_reason": "end_turn", "usage": usage}
            if isinstance(value, dict) and "choices" in value:
                return value
            content = value if isinstance(value, str) else json.dumps(value)
            choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
            return {"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}

        def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            # A failure is one attempt's: without this the app would ask again at once.
            once = {} if status == 200 else {"x-should-retry": "false"}
            for name, value in {"Content-Type": "application/json", **once, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    providers.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
    yield providers
    server.shutdown()
    server.server_close()
