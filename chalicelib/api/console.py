"""Serves the console: one static page, whose policy allows only the scripts and the style in it."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from chalicelib.api.http.routes import AnyQuery, Request, Response, Routes
from chalicelib.patterns import pattern

FOLDER = Path(__file__).parent.parent / "console"
PART = pattern(r'<link rel="stylesheet" href="([\w.]+)">|<script src="([\w.]+)"></script>')


def console(storage_origins: Callable[[], tuple[str, ...]]) -> Routes:
    """Return the routes that serve the page.

    `storage_origins` are S3's, such as https://bucket.s3.eu-west-1.amazonaws.com. The page may send files there and
    fetch thumbnails from there; it shows only pictures that it has fetched.
    """
    routes = Routes("console")

    @cache
    def page() -> Response:
        text, policy = assemble(storage_origins())
        return Response(text, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})

    @routes.get(
        "/",
        query=AnyQuery,
        returns="text/html; charset=utf-8",
        public=True,
        cost="none",
        summary="The web console.",
    )
    def get_console(_request: Request) -> Response:
        return page()

    return routes


def assemble(storage_origins: tuple[str, ...]) -> tuple[str, str]:
    """Return the page with its scripts and style put in, and its Content-Security-Policy with their hashes.

    They are put in because relative addresses are wrong if a stage's root is requested without its slash.
    """
    hashes: dict[str, list[str]] = {"style": [], "script": []}

    def put_in(part: re.Match[str]) -> str:
        tag = "style" if part[1] else "script"
        text = (FOLDER / (part[1] or part[2])).read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[tag].append(f"'sha256-{digest}'")
        return f"<{tag}>{text}</{tag}>"

    page = PART.sub(put_in, (FOLDER / "index.html").read_text("utf-8"))
    storage = " ".join(("'self'", *storage_origins))
    policy = [
        "default-src 'none'",
        f"script-src {' '.join(hashes['script'])}",
        f"style-src {' '.join(hashes['style'])}",
        "img-src blob: data:",
        f"connect-src {storage}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return page, "; ".join(policy)
