"""The page: served under a policy that lets only its own script run, and safe from what is in files."""

import base64
import hashlib
import re

from chalice.test import Client

from chalicelib.api.console import console
from tests.sample_api import sample_app

STORAGE = "https://bucket.s3.eu-west-1.amazonaws.com"


def page() -> tuple[str, dict[str, list[str]]]:
    """The page as served, and its policy's sources by directive."""
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


def test_files_go_to_storage_and_pictures_come_from_it():
    _, policy = page()
    assert policy["connect-src"] == ["'self'", STORAGE]
    assert policy["img-src"] == ["'self'", STORAGE, "data:"]


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
