"""Ask the analyzer what an item shows or says, and keep the answer as its current analysis.

Scanned pages of a document are read first, so that the analyzer gets their text too.
"""

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.model.ingest.chunking import chunk_pages
from chalicelib.model.ingest.files import FileLimits, Page
from chalicelib.model.library.items import Analysis, ItemRef, StoredItem
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.read_scans import read_scans
from chalicelib.ops.work.stages import WriteResults
from chalicelib.providers import AnalysisRequest, Analyzer, Render
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.local_copies import LocalCopies
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.pipeline")
OPENING_CHARS = 8_000


def is_processed(ref: ItemRef, *, db: "Database") -> bool:
    """Return True when the item exists and its file has been decoded."""
    item = db.transact(ref.user_id, lambda tx: items.find(tx, ref))
    return item is not None and item.kind is not None


def analyze_item(
    claim: Claim,
    *,
    db: "Database",
    blobs: "Blobs",
    copies: "LocalCopies",
    render: Render,
    analyzer: Analyzer,
    limits: FileLimits,
    time_left_s: Callable[[], float],
    begins_pictures: bool = True,
) -> WriteResults | None:
    """Ask the analyzer for each scanned page's text and for the item's analysis. Return the function that stores them.

    Return None when time runs out between pages; the next call continues there. `begins_pictures`: the analyzer's
    vectors of images are kept; else only while a generation has its set, as the embedder's is to be the first one.
    """
    ref = claim.ref
    scans_are_read = read_scans(
        claim,
        db=db,
        copies=copies,
        render=render,
        analyzer=analyzer,
        limits=limits,
        time_left_s=time_left_s,
    )
    if not scans_are_read:
        return None
    item, text = claim.begun, ""
    if item.kind != "image":  # whose text is the analyzer's own
        text = db.transact(ref.user_id, lambda tx: chunks.opening_text(tx, ref, max_chars=OPENING_CHARS))
    assert item.kind and item.media_type and item.preview_key, "the item's file has been decoded"
    request = AnalysisRequest(
        kind=item.kind,
        name=item.name,
        media_type=item.media_type,
        preview_jpeg=blobs.get(item.preview_key),
        text=text,
    )
    analysis = analyzer.analyze(request, timeout_s=time_left_s())
    log.info("analysis complete")
    return lambda tx: _write_analysis(tx, ref, item, analysis, begins_pictures)


def caption(item: StoredItem, analysis: Analysis) -> str:
    """Return text that is indexed beside the item's own: its analysis, name, title, camera and month.

    A document's summary is left out, as it consists of the document's own sentences.
    """
    name = " ".join(re.split(r"[\W_]+", item.name.rpartition(".")[0] or item.name)).strip()
    taken = item.taken_at.strftime("%B %Y") if item.taken_at else None
    said = analysis.summary if item.kind == "image" else ""
    for fact in (item.title, *analysis.labels, analysis.category, name, taken, item.camera):
        if fact and fact.lower() not in said.lower():
            said += f"\n{fact}"
    return said.strip()


def _write_analysis(
    tx: Tx, ref: ItemRef, item: StoredItem, analysis: Analysis, begins_pictures: bool
) -> None:
    index.remove_item(tx, ref)
    chunks.delete(tx, ref, ["caption"])
    items.insert_analysis(tx, ref, analysis)
    described = Page(number=1, text=caption(item, analysis))
    chunks.insert(tx, ref, "caption", chunk_pages([described]))
    if item.kind == "image" and analysis.picture:
        index.add_picture(
            tx, ref, model=analysis.picture_model, vector=analysis.picture, begins_set=begins_pictures
        )
    if item.kind == "image":
        chunks.replace_page(tx, ref, Page(number=1, text=analysis.text_in_image))
