"""Servers that answer the page as the API does, and tell what they were asked."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from time import monotonic
from types import MappingProxyType
from typing import Any, ClassVar


class TooManyAtOnce(BaseHTTPRequestHandler):
    """The first two uploads are refused for a second each; `asked` is when they came."""

    asked: ClassVar[list[float]] = []

    def do_GET(self) -> None:
        self.answer(200, {"data": [], "has_more": False, "next": None, "total": 0})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(monotonic())
        if len(self.asked) <= 2:
            self.answer(429, {"detail": "Too many requests."}, {"Retry-After": "1"})
        else:
            self.answer(200, {"item": {"id": "a"}})

    def answer(self, status: int, body: Any, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None: ...


class InParts(TooManyAtOnce):
    """Takes five bytes in parts of two. The first try of the second is refused, as when its URL has expired."""

    told: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        self.told.append((self.path, json.loads(self.rfile.read(length) or "null")))
        left = [1, 2, 3] if self.path == "/api/v1/uploads" else [2, 3]
        upload = {
            "method": "PUT",
            "id": "u",
            "part_size_bytes": 2,
            "parts": [{"number": n, "url": f"http://{self.headers['Host']}/{n}/{len(left)}"} for n in left],
            "sent": [{"number": n, "etag": f"e{n}"} for n in {1, 2, 3} - {*left}],
        }
        self.answer(201, upload)

    def do_PUT(self) -> None:
        self.told.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(403 if self.path == "/2/3" else 200, {}, {"ETag": f"e{self.path[1]}"})


class Finding(TooManyAtOnce):
    """Finds an image, and a document on its second page; a picture tells its own path.

    There is a second page with another image, and one weaker match.
    """

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hit = {"score": 0.5, "relevance": 0.7, "snippet": "rent", "highlights": [], "page": None}
        image = {**hit, "item_id": "a", "name": "a.jpg", "kind": "image", "thumbnail_url": PHOTO}
        document = {**hit, "item_id": "b", "name": "b.pdf", "kind": "pdf", "page": 2, "thumbnail_url": SMALL}
        if asked.get("include_weaker"):
            found, more = [image, document, {**image, "item_id": "c", "relevance": 0.2}], None
        elif asked.get("after"):
            found, more = [{**image, "item_id": "d"}], None
        else:
            found, more = [image, document], "two"
        weaker = 0 if asked.get("include_weaker") else 1
        listed = {"has_more": more is not None, "next": more, "weaker": weaker}
        self.answer(200, {"data": found, "missing": [], **listed})

    def do_GET(self) -> None:
        self.answer(200, {"picture": self.path})


PHOTO, SMALL = "/api/v1/items/a/thumbnail", "/api/v1/documents/b/pages/2/thumbnail"


class Answering(TooManyAtOnce):
    """Takes a question, answers it by a run, and then has both in the conversation."""

    told: ClassVar[list[Any]] = []
    run: ClassVar[dict[str, Any]] = {"state": "succeeded"}

    def do_POST(self) -> None:
        self.told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        is_question = self.path.endswith("/messages")
        self.answer(
            202 if is_question else 201, {"id": "r", "state": "queued"} if is_question else {"id": "t"}
        )

    def do_GET(self) -> None:
        self.told.append((self.path.partition("?")[0], None))
        found = [QUESTION, ANSWER] if "/messages" in self.path else []
        answer = self.run if "/runs/" in self.path else {"data": found, "has_more": False, "next": None}
        if "/exercises/" in self.path:
            answer = {"metadata": {"stale": False, "citation": {**CITATION, "page_image_url": IMAGE}}}
        self.answer(200, {"picture": self.path} if "/image" in self.path else answer)


IMAGE = "/api/v1/documents/plan/pages/2/image?highlight=0-9"
QUESTION = {"role": "user", "content": "When?", "citations": []}
CITATION = {"item_id": "plan", "item_name": "plan.pdf", "page": 2, "quote": "on <b>May 1</b>", "stale": False}
ANSWER = {
    "role": "assistant",
    "content": "\U0001f331 In May. And <i>not</i> before.",  # offsets count characters, not UTF-16 units
    "dropped": 1,
    "citations": [
        {**CITATION, "ordinal": 1, "answer_end": 9, "page_image_url": IMAGE},
        {**CITATION, "ordinal": 2, "answer_end": 32, "page_image_url": IMAGE, "stale": True},
    ],
}
