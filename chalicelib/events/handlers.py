"""How AWS calls us: each function takes the raw event, does its stage and answers nothing."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from chalicelib import logs, wiring
from chalicelib.errors import InvalidInput
from chalicelib.events import contracts
from chalicelib.events.run_kinds import work_on
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.library.items import DERIVED_PREFIX, ItemRef, parse_key
from chalicelib.model.work.pipeline import Claim
from chalicelib.model.work.runs import RUNNER_LEASE_S, RunRef
from chalicelib.ops.ingest import analyze, embed, ingest
from chalicelib.ops.operations import deadletters, sweep
from chalicelib.ops.work import publish, runs
from chalicelib.ops.work.stages import run_stage

log = logging.getLogger("collections.events")
DEADLINE_RESERVE_S = 2.0
Handler = Callable[[dict[str, Any], Any], None]


def _logged(handler: Handler) -> Handler:
    """Put the id that Lambda gave to this call into every line it logs."""

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> None:
        with logs.fields(request_id=getattr(context, "aws_request_id", None)):
            handler(event, context)

    return handle


@_logged
def object_created(event: dict[str, Any], context: Any) -> None:
    created = contracts.parse(event, contracts.ObjectCreated)
    obj = created.detail.object
    if obj.key.startswith(DERIVED_PREFIX):
        return
    _require_our_bucket(created.detail.bucket.name)
    arrival = ingest.Arrival(
        key=parse_key(obj.key), etag=obj.etag, sequencer=obj.sequencer, written_at=created.time
    )
    ref = ingest.register_object(arrival, db=wiring.pipeline_database())
    if ref is not None:
        _process(ref, context)


@_logged
def item_processed(event: dict[str, Any], context: Any) -> None:
    """Analyze. Sent by hand for an object we have not seen, it has it processed first."""
    detail = contracts.parse(event, contracts.StageEvent).detail
    db, bus, bucket = wiring.pipeline_database(), wiring.bus(), wiring.settings().images_bucket
    ref = ItemRef(user_id=detail.user_id, item_id=detail.item_id)
    if not analyze.is_processed(ref, db=db):
        if not _is_another_stages(detail.bucket):
            _require_our_bucket(detail.bucket)
            arrival = ingest.Arrival(key=parse_key(detail.original_key))
            ingest.announce_object(arrival, bucket=bucket, db=db, bus=bus)
        return

    def work(claim: Claim) -> Any:
        return analyze.analyze_item(
            claim,
            db=db,
            blobs=wiring.blobs(),
            copies=wiring.local_copies(),
            render=wiring.decoder().render_page,
            analyzer=wiring.analyzer(),
            limits=FileLimits(max_bytes=wiring.settings().upload_max_bytes),
            time_left_s=_time_left_s(context),
        )

    run_stage("analyze", ref, work, bucket=bucket, db=db, bus=bus)


@_logged
def analysis_complete(event: dict[str, Any], context: Any) -> None:
    detail = contracts.parse(event, contracts.StageEvent).detail
    db = wiring.pipeline_database()
    time_left_s = _time_left_s(context)

    def work(claim: Claim) -> Any:
        return embed.embed_item(claim, db=db, embedder=wiring.embedder(), time_left_s=time_left_s)

    ref = ItemRef(user_id=detail.user_id, item_id=detail.item_id)
    run_stage("embed", ref, work, bucket=wiring.settings().images_bucket, db=db, bus=wiring.bus())


@_logged
def run_queued(event: dict[str, Any], context: Any) -> None:
    """Do a run; of which kind it is, its row says."""
    detail = contracts.parse(event, contracts.RunEvent).detail
    ref = RunRef(user_id=detail.user_id, run_id=str(detail.run_id))
    time_left_s = _time_left_s(context)
    runs.run_once(
        ref, lambda claim: work_on(claim, time_left_s), lease_s=RUNNER_LEASE_S, db=wiring.pipeline_database()
    )


def minute_passed() -> None:
    db, bus = wiring.pipeline_database(), wiring.bus()
    published = publish.relay_due_events(db=db, bus=bus)
    log.info("relayed", extra={"published": published, "runs": runs.relay_due_runs(db=db, bus=bus)})


def five_minutes_passed(event: dict[str, Any]) -> None:
    now = contracts.parse(event, contracts.Tick).time
    counts = sweep.sweep(db=wiring.pipeline_database(), blobs=wiring.blobs(), bus=wiring.bus(), now=now)
    log.info("swept", extra=counts)


def dead_letter(message_id: str, body: str) -> None:
    """An event no function could handle: keep it where the operator sees it."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = {"unreadable": body[:4000]}
    deadletters.record_dead_letter(message_id, payload, db=wiring.pipeline_database())


def _process(ref: ItemRef, context: Any) -> None:
    settings = wiring.settings()
    db, blobs, reader = wiring.pipeline_database(), wiring.blobs(), wiring.decoder()
    limits = FileLimits(max_bytes=settings.upload_max_bytes)
    time_left_s = _time_left_s(context)

    def work(claim: Claim) -> Any:
        return ingest.process_item(
            claim, db=db, blobs=blobs, reader=reader, limits=limits, time_left_s=time_left_s
        )

    run_stage("process", ref, work, bucket=settings.images_bucket, db=db, bus=wiring.bus())


def _require_our_bucket(name: str) -> None:
    if name != wiring.settings().images_bucket:
        raise InvalidInput("This bucket is not ours.", field="bucket", code="foreign_bucket")


def _is_another_stages(bucket: str) -> bool:
    """Stages of one account share the default bus, and each hears the others' events."""
    return bucket.startswith("collections-images-") and bucket != wiring.settings().images_bucket


def _time_left_s(context: Any) -> Callable[[], float]:
    """Seconds until the function is cut off, less what it takes to write down how far it got."""
    return lambda: context.get_remaining_time_in_millis() / 1000 - DEADLINE_RESERVE_S
