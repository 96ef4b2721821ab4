"""The main job, done as a user would: the samples go in through the public API and S3, are searched and asked."""

import json
import mimetypes
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import boto3

_FOLDER = Path(__file__).resolve().parent.parent / "samples"
_SUFFIXES = {".jpg", ".png", ".webp", ".pdf"}
_BUCKET, _USER = "collections-images-local-000000000000", "demo"
_READY_WITHIN_S = 180.0
_HTTP_TIMEOUT_S = 30.0


class MainJobFailed(RuntimeError):
    """The samples did not all become searchable, or a first hit or an answer is wrong; the message says which."""


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


def main_job(*, api_url: str, aws_endpoint_url: str, is_demo: bool) -> None:
    """Upload what is missing, wait until it is READY, print three searches and an answer with its quotes.

    MainJobFailed after 180 s, and in the demo also for a FAILED sample, a wrong first hit or answer.
    """
    paths = sorted(path for path in _FOLDER.iterdir() if path.suffix in _SUFFIXES)
    known = {item["name"] for item in _items(api_url)}
    for number, path in enumerate(path for path in paths if path.name not in known):
        if number % 4 == 3:
            _put_into_bucket(path, aws_endpoint_url)
        else:
            _upload(path, api_url)
    failed = _wait({path.name for path in paths}, api_url)
    wrong = [expected.query for expected in _SEARCHES if not _search(expected, api_url)]
    if not _ask(api_url):
        wrong.append(_QUESTION)
    if is_demo and failed:
        raise MainJobFailed("samples failed: " + "; ".join(failed))
    if is_demo and wrong:
        raise MainJobFailed("the first hit, or the answer, is not the expected one for: " + "; ".join(wrong))


def _upload(path: Path, api_url: str) -> None:
    """Ask the API where to upload, then post the form to S3; nothing when the API has these bytes."""
    media_type = _media_type(path)
    body = {"filename": path.name, "content_type": media_type, "size_bytes": path.stat().st_size}
    upload = _call(f"{api_url}/api/v1/uploads", body)
    if upload.get("item") is None:
        form, content_type = _form(upload["fields"], path, media_type)
        _send(Request(upload["url"], form, {"Content-Type": content_type}, method="POST"))


def _put_into_bucket(path: Path, aws_endpoint_url: str) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=aws_endpoint_url, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    s3.put_object(
        Bucket=_BUCKET, Key=f"{_USER}/{path.name}", Body=path.read_bytes(), ContentType=_media_type(path)
    )


def _wait(names: set[str], api_url: str) -> list[str]:
    """Wait until every named item is READY or FAILED, showing progress; "name: reason" of the failed."""
    give_up_at = time.monotonic() + _READY_WITHIN_S
    progress = _Progress()
    while True:
        items = {item["name"]: item for item in _items(api_url) if item["name"] in names}
        statuses = {name: items[name]["status"] if name in items else "not there yet" for name in names}
        ready = sum(status == "READY" for status in statuses.values())
        stuck = {name: status for name, status in statuses.items() if status not in ("READY", "FAILED")}
        progress.show(f"{ready} of {len(names)} ready", is_last=not stuck)
        if not stuck:
            failures = {name: item["failure"] for name, item in items.items() if item["status"] == "FAILED"}
            return [f"{name}: {failure['code']} {failure['message']}" for name, failure in failures.items()]
        if time.monotonic() > give_up_at:
            listed = ", ".join(f"{name} ({status})" for name, status in sorted(stuck.items()))
            raise MainJobFailed(f"not ready after {_READY_WITHIN_S:.0f} s: {listed}")
        time.sleep(1.0)


class _Progress:
    """One line that is rewritten on a terminal; elsewhere a line for a change, at most every 5 s."""

    def __init__(self) -> None:
        self._last, self._shown_at = "", float("-inf")

    def show(self, text: str, *, is_last: bool) -> None:
        if sys.stdout.isatty():
            print(f"\r{text}\033[K", end="\n" if is_last else "", flush=True)
        elif is_last or (text != self._last and time.monotonic() - self._shown_at >= 5):
            print(text, flush=True)
            self._last, self._shown_at = text, time.monotonic()


def _search(expected: ExpectedHit, api_url: str) -> bool:
    """Print a search's hits; whether the first is the expected item and page."""
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
    """Print an answer with what it quotes; whether it quotes the expected words. Leaves no conversation behind."""
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
    """The parsed answer of a GET, or with a body of a POST."""
    data = None if body is None else json.dumps(body).encode()
    return cast("dict[str, Any]", json.loads(_send(Request(url, data, {"Content-Type": "application/json"}))))


def _send(request: Request) -> bytes:
    try:
        with urlopen(request, timeout=_HTTP_TIMEOUT_S) as response:
            return cast(bytes, response.read())
    except HTTPError as error:
        said = error.read(500).decode(errors="replace")
        url = request.full_url.partition("?")[0]
        raise MainJobFailed(f"{request.get_method()} {url} answered {error.code}: {said}") from error


def _form(fields: Mapping[str, str], path: Path, media_type: str) -> tuple[bytes, str]:
    """A multipart form, the file last as S3 demands, and its content type."""
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
