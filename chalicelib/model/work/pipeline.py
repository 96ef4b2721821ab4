"""The pipeline's stages and the events that wake them.

    process --ImageProcessed|DocumentProcessed--> analyze --AnalysisComplete--> embed --ItemReady-->

An event only tells a stage to look. The work to do, and the worker that has it, are in the tasks table.
"""

from typing import Any, Literal

from msgspec import Struct

from chalicelib.model.library.items import ItemRef, Status

Stage = Literal["process", "analyze", "embed"]

# Each lease is longer than the function's timeout (.chalice/config.json), so that a live worker never loses it.
LEASE_S: dict[Stage, int] = {"process": 150, "analyze": 150, "embed": 150}
MAX_ATTEMPTS = 8  # with the waits below, enough for a provider that is unavailable for about ten minutes
BACKOFF_BASE_S = 15.0
BACKOFF_CAP_S = 300.0
MISCONFIGURED_RETRY_S = 60.0

STATUS_DURING: dict[Stage, Status] = {"process": "PROCESSING", "analyze": "ANALYZING", "embed": "EMBEDDING"}


class Claim(Struct, frozen=True, kw_only=True):
    """The right to work on one stage of one item until the lease ends; `token` fences every write."""

    ref: ItemRef
    stage: Stage
    token: str
    attempt: int


class Event(Struct, frozen=True, kw_only=True):
    """An event for the bus. `stage` is the stage that it wakes, None if it only informs."""

    source: str
    detail_type: str
    detail: dict[str, Any]
    stage: Stage | None


def wake_up(stage: Stage, ref: ItemRef, *, bucket: str, key: str, kind: str | None) -> Event:
    """Return the event that makes the function of `stage` look at this item."""
    detail: dict[str, Any]
    if stage == "process":
        # It has the shape of S3's own event, so that one rule and one handler serve both.
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        return Event(source="collections.sweeper", detail_type="Object Created", detail=detail, stage=stage)
    detail = {"item_id": ref.item_id, "user_id": ref.user_id, "bucket": bucket, "original_key": key}
    if stage == "embed":
        return Event(
            source="collections.analyzer", detail_type="AnalysisComplete", detail=detail, stage=stage
        )
    if kind == "pdf":
        return Event(
            source="collections.documentprocessor",
            detail_type="DocumentProcessed",
            detail=detail,
            stage=stage,
        )
    return Event(
        source="collections.imageprocessor", detail_type="ImageProcessed", detail=detail, stage=stage
    )


def item_ready(ref: ItemRef, *, bucket: str, key: str) -> Event:
    detail = {"item_id": ref.item_id, "user_id": ref.user_id, "bucket": bucket, "original_key": key}
    return Event(source="collections.embedder", detail_type="ItemReady", detail=detail, stage=None)
