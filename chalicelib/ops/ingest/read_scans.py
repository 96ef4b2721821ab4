"""Reads the text of a document's scanned pages: draws each page, sends it to the analyzer and stores the text.

The list of these pages, items.unread_pages, was made when the file was read. A page leaves the list in the fenced
transaction that stores its text. So a page is never sent again once its text is stored.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.errors import BadFile, Conflict, NotFound, Unavailable
from chalicelib.model.ingest.files import FileLimits, Page, text_size
from chalicelib.model.library.items import ItemRef, StoredItem
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import Analyzer, Render
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.local_copies import LocalCopies
    from chalicelib.stores.postgres.postgres import Database

MOST_SCANS = 500  # per document: 1,000 cost about 1.50 USD at cloud services, 500 take a laptop an hour
MIN_SCAN_S = (
    30.0  # nothing more is begun with less time than this: a language model may take as long for a page
)
WIDTH_PX = 2000  # 240 dpi of a sheet of A4
_STAMPS_SHARE = 2  # the page's own text counts as a stamp if its picture has more than twice as much text


def read_scans(
    claim: Claim,
    *,
    db: "Database",
    copies: "LocalCopies",
    render: Render,
    analyzer: Analyzer,
    limits: FileLimits,
    time_left_s: Callable[[], float],
) -> bool:
    """Read the unread pages in order. Return False if too little time is left for the next page or for the analysis.

    At most MOST_SCANS pages are read, and only while limits.max_text_chars is not reached; the others stay unread. A
    page that cannot be drawn, or that the analyzer refuses, gets no text.
    """
    ref, item = claim.ref, claim.begun
    numbers = item.unread_pages[: max(0, MOST_SCANS - item.scans_read)]
    if not numbers:
        return True
    _, size = db.transact(ref.user_id, lambda tx: chunks.extent(tx, ref))
    with _original(ref, item, copies) as path:
        for number in numbers:
            text = _read_page(path, number, render=render, analyzer=analyzer, time_left_s=time_left_s)
            size += text_size(text)
            if size > limits.max_text_chars:
                return True
            db.transact(ref.user_id, _kept(claim, Page(number=number, text=text)))
            if time_left_s() < MIN_SCAN_S:
                return False
    return True


@contextmanager
def _original(ref: ItemRef, item: StoredItem, copies: "LocalCopies") -> Iterator[str]:
    """Yield the path of the file as it was when its pages were counted."""
    assert item.sha256, "its file has been decoded"
    try:
        with copies.open(ref.user_id, item.key, sha256=item.sha256) as path:
            yield path
    except NotFound as error:
        raise BadFile("The uploaded file is no longer in the bucket.", code="object_missing") from error
    except Conflict as error:  # the file was replaced, and the new one will be read
        raise Unavailable(error.message, code="object_replaced") from error


def _read_page(
    path: str, number: int, *, render: Render, analyzer: Analyzer, time_left_s: Callable[[], float]
) -> str:
    try:
        page_jpeg = render(path, number, width_px=WIDTH_PX)
        return analyzer.read_page(page_jpeg, timeout_s=time_left_s())
    except (BadFile, NotFound):
        return ""
    except Unavailable as error:
        if error.code == "out_of_time":  # the page takes too long to draw, now and the next time
            return ""
        raise


def _kept(claim: Claim, page: Page) -> WriteResults:
    def keep(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        items.set_scan_read(tx, claim.ref, page.number)
        kept = chunks.list_of_page(tx, claim.ref, page.number)
        own = sum(len(chunk.text) for chunk in kept if chunk.source == "text")
        if len(page.text) > _STAMPS_SHARE * own:
            chunks.replace_page(tx, claim.ref, page)

    return keep
