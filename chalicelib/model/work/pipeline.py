"""The stages of an item, and the events that tell others of them.

    process --ImageProcessed|DocumentProcessed--> analyze --AnalysisComplete--> embed --ItemReady-->

Events tell what has happened. The work itself is in the tasks table, and messages in queues wake it.
"""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.model.library.items import ItemRef, Status

Stage = Literal["process", "analyze", "embed"]

STATUS_DURING: dict[Stage, Status] = {"process": "PROCESSING", "analyze": "ANALYZING", "embed": "EMBEDDING"}
NEXT: dict[Stage, Stage] = {"process": "analyze", "analyze": "embed"}
# The stage that waits for each event. An event that others send has its item's stage queued.
STAGE_OF_DETAIL_TYPE: dict[str, Stage] = {
    "ImageProcessed": "analyze",
    "DocumentProcessed": "analyze",
    "AnalysisComplete": "embed",
}


class Event(Struct, frozen=True, kw_only=True):
    """An event for the bus."""

    source: str
    detail_type: str
    detail: dict[str, Any]


def stage_finished(stage: Stage, ref: ItemRef, *, bucket: str, key: str, kind: str | None) -> Event:
    """Return the event that tells of a stage's end.

    `is_queued` marks it as the app's own, whose next stage is queued already: our rule does not match it.
    """
    if stage == "process":
        source, detail_type = (
            ("collections.documentprocessor", "DocumentProcessed")
            if kind == "pdf"
            else ("collections.imageprocessor", "ImageProcessed")
        )
    elif stage == "analyze":
        source, detail_type = "collections.analyzer", "AnalysisComplete"
    else:
        source, detail_type = "collections.embedder", "ItemReady"
    detail = {
        "item_id": ref.item_id,
        "user_id": ref.user_id,
        "bucket": bucket,
        "original_key": key,
        "is_queued": True,
    }
    return Event(source=source, detail_type=detail_type, detail=detail)
