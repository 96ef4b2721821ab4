"""A server that speaks the documented wire formats of the model providers, and misbehaves when it is told to.

Every request is recorded. `script` has what the next requests get: a Reply, or a way to misbehave; when it is used up,
the path decides which provider's good answer is given.
"""

import json
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from struct import pack
from typing import Any
from urllib.parse import unquote

Body = Any


@dataclass
class Reply:
    """`body` is sent as JSON, or as it is when it is bytes; `announced` is another Content-Length."""

    status: int = 200
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None


class Hang:
    """The request is read and nothing is answered."""


class Drip:
    """The head comes at once, then a byte a second."""


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: Body


@dataclass
class ModelServer:
    url: str = ""
    value: Callable[[Asked], Any] = lambda asked: {}
    vector: Callable[[Any], list[float]] = lambda _: [3.0, 4.0]
    script: deque[Reply | Hang | Drip] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def good(self, asked: Asked) -> Reply:
        return Reply(body=_good(asked, self), headers=_headers(asked))


def anthropic_message(value: Any, **changes: Any) -> Body:
    text = {"type": "text", "text": value if isinstance(value, str) else json.dumps(value), "citations": None}
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 2,
        "output_tokens": 3,
    }
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "m", "content": [text]}
    return {**message, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **changes}


def openai_completion(value: Any, **changes: Any) -> Body:
    content = value if isinstance(value, str) else json.dumps(value)
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message, **changes}
    details = {"cached_tokens": 4, "cache_write_tokens": 2}
    usage = {
        "prompt_tokens": 16,
        "completion_tokens": 3,
        "total_tokens": 19,
        "prompt_tokens_details": details,
    }
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1764000000, "model": "m"}
    return {**made, "choices": [choice], "usage": usage}


def bedrock_message(value: Any, **changes: Any) -> Body:
    call = {"toolUse": {"toolUseId": "tooluse_01", "name": "answer", "input": value}}
    usage = {"inputTokens": 10, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 2, "outputTokens": 3}
    output = {"message": {"role": "assistant", "content": [call]}}
    made = {"output": output, "stopReason": "tool_use", "usage": {**usage, "totalTokens": 19}}
    return {**made, "metrics": {"latencyMs": 12}, **changes}


def embedding_list(vectors: list[list[float]], usage: Mapping[str, int]) -> Body:
    """Return vectors as OpenAI and Voyage do, in base64 as both are asked for, the last row first."""
    rows = [
        {"object": "embedding", "index": n, "embedding": b64encode(pack(f"<{len(v)}f", *v)).decode()}
        for n, v in enumerate(vectors)
    ]
    return {"object": "list", "data": rows[::-1], "model": "m", "usage": usage}


def scores(count: int) -> list[Body]:
    """The last document is the best."""
    return [{"index": n, "relevance_score": (n + 1) / count} for n in reversed(range(count))]


def _good(asked: Asked, server: ModelServer) -> Body:
    path, body = asked.path, asked.body
    if path.endswith("/v1/messages"):
        return anthropic_message(server.value(asked))
    if path.endswith("/chat/completions"):
        return openai_completion(server.value(asked))
    if path.endswith("/converse"):
        return bedrock_message(server.value(asked))
    if path.endswith("/invoke"):
        return _invoked(body, server)
    if path.endswith("/multimodalembeddings"):
        usage = {"text_tokens": 5, "image_pixels": 1120, "video_pixels": 0, "total_tokens": 7}
        return embedding_list([server.vector(each["content"]) for each in body["inputs"]], usage)
    if path.endswith("/embeddings"):
        is_voyage = "input_type" in body
        usage = {"total_tokens": 7} if is_voyage else {"prompt_tokens": 7, "total_tokens": 7}
        return embedding_list([server.vector(text) for text in body["input"]], usage)
    if path.endswith("/v2/rerank"):  # Cohere
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return {"id": "r-1", "results": scores(len(body["documents"])), "meta": meta}
    assert path.endswith("/v1/rerank"), path  # Voyage
    rows = scores(len(body["documents"]))
    return {"object": "list", "data": rows, "model": "m", "usage": {"total_tokens": 7}}


def _invoked(body: Body, server: ModelServer) -> Body:
    if "embeddingConfig" in body:  # Titan, multimodal
        vector = server.vector(body.get("inputImage") or body["inputText"])
        return {"embedding": vector, "inputTextTokenCount": 7 if "inputText" in body else 0}
    if "inputText" in body:  # Titan
        vector = server.vector(body["inputText"])
        return {"embedding": vector, "inputTextTokenCount": 7, "embeddingsByType": {"float": vector}}
    if "texts" in body:  # Cohere
        vectors = [server.vector(text) for text in body["texts"]]
        made = {"id": "e-1", "response_type": "embeddings_by_type", "texts": body["texts"]}
        return {**made, "embeddings": {"float": vectors}}
    return {"results": scores(len(body["documents"]))}


def _headers(asked: Asked) -> dict[str, str]:
    return {"X-Amzn-Bedrock-Input-Token-Count": "7"} if asked.path.endswith("/invoke") else {}


@contextmanager
def model_server() -> Iterator[ModelServer]:
    server = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(unquote(self.path), headers, json.loads(raw))
            server.asked.append(asked)
            mood = server.script.popleft() if server.script else server.good(asked)
            if isinstance(mood, Reply):
                self._reply(mood)
            else:
                self._misbehave(mood)

        def _reply(self, reply: Reply) -> None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            length = len(body) if reply.announced is None else reply.announced
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(length),
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = reply.announced is not None

        def _misbehave(self, mood: Hang | Drip) -> None:
            self.close_connection = True
            if isinstance(mood, Hang):
                server.released.wait(60)
                return
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with suppress(OSError):
                for _ in range(60):
                    self.wfile.write(b" ")
                    if server.released.wait(1):
                        return

        def log_message(self, *_: Any) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    http.shutdown()
    http.server_close()
