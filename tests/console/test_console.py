"""The page: served under a policy that lets only its own script run, and safe from what is in files."""

import base64
import hashlib
import json
import re
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from chalice.test import Client

from chalicelib.api.console import FOLDER, console
from deploy.policies import ROOT
from tests.support.processes import needs_node
from tests.support.sample_api import sample_app

STORAGE = "https://bucket.s3.eu-west-1.amazonaws.com"


def page() -> tuple[str, dict[str, list[str]]]:
    """Return the page as served, and its policy's sources by directive."""
    app = sample_app()
    app.add(console(lambda: (STORAGE,)))
    answer = Client(app).http.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return answer.body.decode(), {name: sources for name, *sources in map(str.split, directives)}


def test_only_the_pages_own_script_and_style_run():
    text, policy = page()
    for tag in ("script", "style"):
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]
        assert parts
        assert policy[f"{tag}-src"] == [f"'sha256-{digest}'" for digest in digests]
    assert policy["default-src"] == ["'none'"]
    # Attributes with code or style in them have no hash, so they would not work.
    assert not re.search(r"<[a-z]+ [^>]*\b(on\w+|style)=", text)


@pytest.mark.parametrize("query", ["utm_source=x", "a=1&a=2", "%00=%ff", "q=%00"])
def test_whatever_a_link_adds_to_the_address_the_page_comes(query: str):
    app = sample_app()
    app.add(console(lambda: (STORAGE,)))
    assert Client(app).http.get(f"/?{query}").body == Client(app).http.get("/").body != b""
    assert Client(app).http.request("HEAD", f"/?{query}").status_code == 200


def test_files_go_to_storage_and_the_only_pictures_are_those_that_were_fetched():
    _, policy = page()
    assert policy["connect-src"] == ["'self'", STORAGE]
    assert policy["img-src"] == ["blob:", "data:"]


def test_nothing_goes_in_as_markup_and_nothing_comes_from_elsewhere():
    text, _ = page()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
    )
    assert not re.search(r"https?://|<link [^>]*stylesheet|<script [^>]*src", text)


def test_script_and_page_agree_on_ids():
    text, _ = page()
    used, there = set(re.findall(r'\$\("([\w-]+)"\)', text)), re.findall(r'\bid="([\w-]+)"', text)
    assert used <= set(there)
    assert len(there) == len(set(there))


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


def upload(server: type[BaseHTTPRequestHandler], size_bytes: int) -> Any:
    """Return the notes beside a file that the page sends to this server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), server) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{serving.server_port}/"
        script = ["node", "tests/console/console_upload.js", url, str(size_bytes)]
        ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        serving.shutdown()
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_node
def test_an_upload_waits_as_long_as_it_is_told_and_goes_on():
    notes = upload(TooManyAtOnce, 9)
    waiting = ["Too many at once: goes on in 1 s", "Sending"]
    assert notes == ["Waiting", *waiting, *waiting, "You have it already."]
    first, second, third = TooManyAtOnce.asked
    assert second - first >= 1 and third - second >= 1


@needs_node
def test_a_card_says_how_many_scans_are_unread():
    given = [("ANALYZING", 12), ("READY", 1), ("READY", 0), ("FAILED", 3), ("PENDING", 0)]
    items = json.dumps([{"status": status, "unread_pages": unread} for status, unread in given])
    script = ["node", "tests/console/console_status.js", "http://127.0.0.1/", items]
    ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(ran.stdout) == [
        "Analyzing, 12 scans unread…",
        "Ready, 1 scan unread",
        "Ready",
        "Failed",
        "Waiting…",
    ]


@needs_node
def test_a_large_file_is_sent_in_parts_and_goes_on_where_it_failed():
    assert upload(InParts, 5) == ["Waiting", "Sent"]
    (_, announced), *sent, (last, complete) = InParts.told
    assert announced["size_bytes"] == 5
    again = ("/api/v1/uploads/u/parts", None)
    two = b"\x07\x07"
    assert sent == [("/1/3", two), ("/2/3", two), again, ("/2/2", two), ("/3/2", two[:1])]
    assert (last, complete["parts"]) == (
        "/api/v1/uploads/u/complete",
        [{"number": n, "etag": f"e{n}"} for n in (1, 2, 3)],
    )


def test_no_script_takes_anothers_name():
    scripts = [path.read_text("utf-8") for path in FOLDER.glob("*.js")]
    names = [
        name
        for text in scripts
        for name in re.findall(r"^(?:async )?(?:function|const|let) (\w+)", text, re.M)
    ]
    assert len(names) == len(set(names)) > 50


class Finding(TooManyAtOnce):
    """Finds an image, and a document on its second page; a picture tells its own path."""

    def do_POST(self) -> None:
        hit = {"score": 0.5, "snippet": "rent", "highlights": [], "page": None}
        image = {**hit, "item_id": "a", "name": "a.jpg", "kind": "image", "thumbnail_url": PHOTO}
        document = {**hit, "item_id": "b", "name": "b.pdf", "kind": "pdf", "page": 2, "thumbnail_url": SMALL}
        self.answer(200, {"data": [image, document], "missing": []})

    def do_GET(self) -> None:
        self.answer(200, {"picture": self.path})


PHOTO, SMALL = "/api/v1/items/a/thumbnail", "/api/v1/documents/b/pages/2/thumbnail"


@needs_node
def test_hits_and_citations_show_the_picture_that_the_api_names():
    cited = {"item_id": "a", "item_name": "a.jpg", "page": None, "quote": "rent", "stale": False}
    shown = [
        {**cited, "thumbnail_url": PHOTO, "page_image_url": None},
        {**cited, "thumbnail_url": SMALL, "page_image_url": IMAGE},
        {**cited, "thumbnail_url": None, "page_image_url": None},
    ]
    with ThreadingHTTPServer(("127.0.0.1", 0), Finding) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        script = [
            "node",
            "tests/console/console_search.js",
            f"http://127.0.0.1:{serving.server_port}/",
            json.dumps(shown),
        ]
        ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        serving.shutdown()
    assert ran.returncode == 0, ran.stderr
    page = json.loads(ran.stdout)
    assert [json.loads(each)["picture"] for each in page["shown"]] == [PHOTO, SMALL]
    assert [each and json.loads(each)["picture"] for each in page["opened"]] == [PHOTO, IMAGE, ""]


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


def ask() -> Any:
    """Return what the page shows after it has called this server."""
    Answering.told.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        script = ["node", "tests/console/console_chat.js", f"http://127.0.0.1:{serving.server_port}/"]
        ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        serving.shutdown()
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_node
def test_an_answer_stands_there_with_its_quotes_at_their_places():
    page = ask()
    talk = "/api/v1/conversations/t/messages"
    assert Answering.told[:4] == [
        ("/api/v1/conversations", {}),
        (talk, {"content": "When?", "collection_id": "c"}),
        ("/api/v1/runs/r", None),
        (talk, None),
    ]
    assert page["talk"] == [
        {"user": [{"plain": ["When?"]}]},
        {
            "assistant": [
                {
                    "plain": [
                        "\U0001f331 In May.",
                        {"cite": "1"},
                        " And <i>not</i> before.",
                        {"cite stale": "2"},
                        "",
                    ]
                },
                {"where cut": "1. plan.pdf, page 2: “on <b>May 1</b>”"},
                {"where cut stale": "2. plan.pdf, page 2: “on <b>May 1</b>”"},
                {"about": "1 sentence left out: not found in your items word for word."},
            ]
        },
    ]
    (name, shows, is_fresh), stale = page["sources"]
    assert (name, is_fresh) == ("plan.pdf, page 2", True)
    assert json.loads(shows) == {"picture": IMAGE}
    assert stale == [name, "", False]  # what it holds now is not shown in place of what was quoted


@needs_node
def test_a_run_that_failed_says_why_and_leaves_no_half_of_a_talk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answering, "run", {"state": "failed", "error": {"message": "The model is away."}})
    page = ask()
    assert (page["talk"], page["said"]) == ([], "The model is away.")
