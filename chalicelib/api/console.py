"""The console: one static page, under a policy that runs only the script and style that are in it."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from chalicelib.api.http import Answer, Request, Routes

PAGE = Path(__file__).parent.parent / "console" / "index.html"


def console(storage_origins: Callable[[], tuple[str, ...]]) -> Routes:
    """Routes that serve the page. `storage_origins` are S3's, such as https://bucket.s3.eu-west-1.amazonaws.com:
    where the page may send files and show thumbnails from."""
    routes = Routes("console")

    @cache
    def page() -> Answer:
        text = PAGE.read_text("utf-8")
        headers = {"Content-Security-Policy": policy(text, storage_origins()), "Cache-Control": "no-cache"}
        return Answer(text, headers=headers)

    @routes.get("/", returns="text/html; charset=utf-8", public=True, summary="The web console.")
    def get_console(_request: Request) -> Answer:
        return page()

    return routes


def policy(page: str, storage_origins: tuple[str, ...]) -> str:
    """The page's Content-Security-Policy, with the hashes of its inline script and style."""
    storage = " ".join(("'self'", *storage_origins))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_inline_hash(page, 'script')}",
            f"style-src {_inline_hash(page, 'style')}",
            f"img-src {storage} data:",
            f"connect-src {storage}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _inline_hash(page: str, tag: str) -> str:
    [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
