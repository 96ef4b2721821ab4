"""Loads the samples as a user would, through the public API and S3. The demo also searches and asks a question."""

import json
import mimetypes
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_FOLDER = Path(__file__).resolve().parent.parent / "samples"
_SUFFIXES = {".jpg", ".png", ".webp", ".pdf"}
_BUCKET, _USER = "collections-images-local-000000000000", "demo"
_READY_WITHIN_S = 180.0
_HTTP_TIMEOUT_S = 30.0


class SamplesFailed(RuntimeError):
    """A sample could not be loaded, or a first hit or an answer is wrong. The message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedHit:
    query: str
    name: str
    page: int | None


_SEARCHES = (
    ExpectedHit(query="how much may a hotel in Zurich cost", name="travel-policy-2026.pdf", page=2),
    ExpectedHit(query="bill for repairing a bicycle wheel", name="scan0007.jpg", page=None),
    ExpectedHit(query="cat", name="sunday-visitor.jpg", page=None),
)
_QUESTION, _QUOTED = "How much may a hotel in Zurich cost?", "190 euros"


def load_samples(*, api_url: str, aws_endpoint_url: str, only_once: Path | None = None) -> None:
    """Upload the samples that are missing and wait until each is READY, showing progress.

    If the file `only_once` exists, nothing is loaded. It is created when all samples are READY, so that a sample that
    a user deletes later does not come back. Raise SamplesFailed if a sample is FAILED, if one is not READY after
    180 s, or if a server refuses a request.
    """
    if only_once and only_once.exists():
        return
    paths = sorted(path for path in _FOLDER.iterdir() if path.suffix in _SUFFIXES)
    known = {item["name"] for item in _items(api_url)}
    for number, path in enumerate(path for path in paths if path.name not in known):
        if number % 4 == 3:
            _put_into_bucket(path, aws_endpoint_url)
        else:
            _upload(path, api_url)
    if failed := _wait({path.name for path in paths}, api_url):
        raise SamplesFailed("; ".join(failed))
    if only_once:
        only_once.touch()


def show_searches(*, api_url: str) -> None:
    """Print three searches and an answer with its quotes. Raise SamplesFailed if one is not as expected."""
    wrong = [expected.query for expected in _SEARCHES if not _search(expected, api_url)]
    if not _ask(api_url):
        wrong.append(_QUESTION)
    if wrong:
        raise SamplesFailed("the first hit, or the answer, is not the expected one for: " + "; ".join(wrong))


def _upload(path: Path, api_url: str) -> None:
    """Announce an upload to the API, then post the form to S3. Upload nothing if the API has these bytes already."""
    media_type = _media_type(path)
    body = {"filename": path.name, "content_type": media_type, "size_bytes": path.stat().st_size}
    upload = _call(f"{api_url}/api/v1/uploads", body)
    if upload.get("item") is None:
        form, content_type = multipart_form(upload["fields"], path, media_type)
        _send(Request(upload["url"], form, {"Content-Type": content_type}, method="POST"))


def _put_into_bucket(path: Path, aws_endpoint_url: str) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=aws_endpoint_url, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    key = f"{_USER}/{path.name}"
    try:
        s3.put_object(Bucket=_BUCKET, Key=key, Body=path.read_bytes(), ContentType=_media_type(path))
    except (BotoCoreError, ClientError) as error:
        raise SamplesFailed(f"{key} could not be put into the bucket: {error}") from error


def _wait(names: set[str], api_url: str) -> list[str]:
    """Wait until every named item is READY or FAILED. Show the progress. Return "name: reason" of each failed item."""
    give_up_at = time.monotonic() + _READY_WITHIN_S
    with progress() as show:
        while True:
            items = {item["name"]: item for item in _items(api_url) if item["name"] in names}
            statuses = {name: items[name]["status"] if name in items else "not there yet" for name in names}
            ready = sum(status == "READY" for status in statuses.values())
            waiting = {name: status for name, status in statuses.items() if status not in ("READY", "FAILED")}
            show(f"Loading the samples: {ready} of {len(names)} ready", not waiting)
            if not waiting:
                return [_reason(item) for item in items.values() if item["status"] == "FAILED"]
            if time.monotonic() > give_up_at:
                listed = ", ".join(f"{name} ({status})" for name, status in sorted(waiting.items()))
                raise SamplesFailed(f"not ready after {_READY_WITHIN_S:.0f} s: {listed}")
            time.sleep(1.0)


def _reason(item: Mapping[str, Any]) -> str:
    return f"{item['name']}: {item['failure']['code']} {item['failure']['message']}"


@contextmanager
def progress() -> Iterator[Callable[[str, bool], None]]:
    """Yield show(text, is_last): one line that is rewritten on a terminal, elsewhere a line at most every 5 s."""
    last, shown_at, is_terminal = "", float("-inf"), sys.stdout.isatty()

    def show(text: str, is_last: bool) -> None:
        nonlocal last, shown_at
        if is_terminal:
            print(f"\r{text}\033[K", end="", flush=True)
        elif is_last or (text != last and time.monotonic() - shown_at >= 5):
            print(text, flush=True)
            last, shown_at = text, time.monotonic()

    try:
        yield show
    finally:
        if is_terminal:
            print(flush=True)


def _search(expected: ExpectedHit, api_url: str) -> bool:
    """Print a search's hits. Return whether the first hit is the expected item and page."""
    hits = _call(f"{api_url}/api/v1/search", {"query": expected.query, "limit": 3})["data"]
    print(f'\nsearch "{expected.query}"')
    for rank, hit in enumerate(hits, start=1):
        where = hit["name"] + (f", page {hit['page']}" if hit["page"] and hit["kind"] == "pdf" else "")
        print(f"  {rank}. {where:<36} {hit['score']:.3f}  {' '.join(hit['snippet'].split())[:110]}")
    if not hits:
        print("  no hits")
        return False
    return hits[0]["name"] == expected.name and expected.page in (None, hits[0]["page"])


def _ask(api_url: str) -> bool:
    """Print an answer with its quotes. Return whether a quote has the expected words. Delete the conversation."""
    conversation = f"{api_url}/api/v1/conversations/{_call(f'{api_url}/api/v1/conversations', {})['id']}"
    answer = _call(f"{conversation}/messages", {"content": _QUESTION})
    _send(Request(conversation, method="DELETE"))
    print(f'\nasked "{_QUESTION}"\n  {answer["content"]}')
    quotes = [" ".join(citation["quote"].split()) for citation in answer["citations"]]
    for citation, quote_ in zip(answer["citations"], quotes, strict=True):
        print(f'  [{citation["ordinal"]}] {citation["item_name"]}, page {citation["page"]}: "{quote_[:90]}"')
    return any(_QUOTED in quote_ for quote_ in quotes)


def _items(api_url: str) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        page = _call(f"{api_url}/api/v1/items?limit=100{after}")
        yield from page["data"]
        if not page["has_more"]:
            return
        after = "&after=" + quote(page["next"], safe="")


def _call(url: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the parsed response of a GET, or of a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    return cast("dict[str, Any]", json.loads(_send(Request(url, data, {"Content-Type": "application/json"}))))


def _send(request: Request) -> bytes:
    try:
        with urlopen(request, timeout=_HTTP_TIMEOUT_S) as response:
            return cast(bytes, response.read())
    except HTTPError as error:
        said = error.read(500).decode(errors="replace")
        url = request.full_url.partition("?")[0]
        raise SamplesFailed(f"{request.get_method()} {url} answered {error.code}: {said}") from error
    except (OSError, HTTPException) as error:
        raise SamplesFailed(
            f"{request.get_method()} {request.full_url.partition('?')[0]}: {error}"
        ) from error


def multipart_form(fields: Mapping[str, str], path: Path, media_type: str) -> tuple[bytes, str]:
    """Return a multipart form and its content type. The file is the last field, as S3 requires."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n".encode()
    )
    parts += [path.read_bytes(), f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _media_type(path: Path) -> str:
    # Python before 3.13 does not know WebP.
    return "image/webp" if path.suffix == ".webp" else str(mimetypes.guess_type(path.name)[0])
