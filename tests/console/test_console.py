"""The page: served under a policy that lets only its own script run, and safe from what is in files."""

import base64
import hashlib
import json
import re
import subprocess
import threading
from http.server import ThreadingHTTPServer

import pytest
from chalice.test import Client

from chalicelib.api.console import FOLDER, console
from deploy.policies import ROOT
from tests.console.answering import IMAGE, PHOTO, SMALL, Finding
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


def test_no_script_takes_anothers_name():
    scripts = [path.read_text("utf-8") for path in FOLDER.glob("*.js")]
    names = [
        name
        for text in scripts
        for name in re.findall(r"^(?:async )?(?:function|const|let) (\w+)", text, re.M)
    ]
    assert len(names) == len(set(names)) > 50


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
    assert page["lists"] == [
        {"items": ["a", "b"], "count": "2+ results", "buttons": ["found-more: "]},
        {
            "items": ["a", "b", "d"],
            "count": "3 results",
            "buttons": ["found-weaker: Show 1 weaker result"],
        },
        {"items": ["a", "b", "c"], "count": "3 results", "buttons": []},
    ]
