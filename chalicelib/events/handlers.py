"""Handlers of events and messages: each takes the raw event or message, calls an op and returns nothing."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from chalicelib import logs, wiring
from chalicelib.errors import InvalidInput
from chalicelib.events import contracts
from chalicelib.events.kinds import work_of
from chalicelib.model.library.items import DERIVED_PREFIX, ItemRef, parse_key
from chalicelib.model.work.tasks import TaskRef
from chalicelib.ops.ingest import analyze, ingest
from chalicelib.ops.jobs.backfill_steps import Listed, file_objects
from chalicelib.ops.jobs.inputs import register_arrival
from chalicelib.ops.jobs.watch import watch_runs
from chalicelib.ops.operations import deadletters, sweep
from chalicelib.ops.operations.measure import measure_work
from chalicelib.ops.work import publish
from chalicelib.ops.work.engine import run_task
from chalicelib.ops.work.wake import relay_wakes, wake
from chalicelib.tracing import spans

log = logging.getLogger("collections.events")
DEADLINE_RESERVE_S = 2.0
Handler = Callable[[dict[str, Any], Any], None]


def _observed(handler: Handler) -> Handler:
    """Put the id that Lambda gave to this call into every line it logs; report at its end what it did."""

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> None:
        with logs.fields(request_id=getattr(context, "aws_request_id", None)), wiring.invocation():
            handler(event, context)

    return handle


@_observed
def event_received(event: dict[str, Any], context: Any) -> None:
    """Record the work that another's event asks for, and queue it: S3's, or one that somebody sent by hand.

    What can never be done is kept as a failure after this one attempt: Lambda would only repeat it.
    """
    with _refusals_kept(event, context):
        _receive(event)


@_observed
def objects_created(event: dict[str, Any], context: Any) -> None:
    """Record and queue the objects of a bucket that calls the function itself."""
    with _refusals_kept(event, context):
        for record in contracts.parse(event, contracts.Notification).Records:
            _receive_object(record.created())


@contextmanager
def _refusals_kept(event: dict[str, Any], context: Any) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        arn = str(getattr(context, "invoked_function_arn", ""))
        deadletters.record_refusal(event, error, function_arn=arn, db=wiring.pipeline_database())


def _receive(event: dict[str, Any]) -> None:
    if event.get("detail-type") == "Object Created":
        _receive_object(contracts.parse(event, contracts.ObjectCreated))
        return
    if event.get("detail-type") == "Objects Listed":
        return _file_objects(contracts.parse(event, contracts.ObjectsListed).detail)
    detail = contracts.parse(event, contracts.StageEvent).detail
    with spans.continued(detail.traceparent), spans.span("stage event", kind="consumer"):
        _queue_stage(detail)


def _receive_object(created: contracts.ObjectCreated) -> None:
    obj = created.detail.object
    if not obj.key.startswith(DERIVED_PREFIX):
        _require_our_bucket(created.detail.bucket.name)
        arrival = ingest.Arrival(
            key=parse_key(obj.key), etag=obj.etag, sequencer=obj.sequencer, written_at=created.time
        )
        with spans.span("Object Created", kind="consumer"):
            _register(arrival)


def _file_objects(told: contracts.ListedDetail) -> None:
    listed = [Listed(number=each.index + 1, key=each.key, size_bytes=each.size) for each in told.objects]
    file_objects(told.user_id, told.run_id, listed, db=wiring.pipeline_database())


def _queue_stage(detail: contracts.StageDetail) -> None:
    ref = ItemRef(user_id=detail.user_id, item_id=detail.item_id)
    if analyze.is_processed(ref, db=wiring.pipeline_database()):
        wake(ref.user_id, db=wiring.pipeline_database(), queues=wiring.queues())
    else:
        _require_our_bucket(detail.bucket)
        _register(ingest.Arrival(key=parse_key(detail.original_key)))


def _register(arrival: ingest.Arrival) -> None:
    ref, is_to_wake = register_arrival(arrival, db=wiring.pipeline_database())
    if ref is not None:
        with logs.fields(item_id=ref.item_id, user_id=ref.user_id):
            log.info("event received")
    if is_to_wake:
        wake(arrival.key.user_id, db=wiring.pipeline_database(), queues=wiring.queues())


@_observed
def tasks_woken(event: dict[str, Any], context: Any) -> None:
    """Do the tasks that the messages name, one a call as the queues are set. Raise when they are to come again."""
    for record in contracts.parse(event, contracts.Messages).Records:
        message = contracts.parse_json(record.body, contracts.Message)
        with spans.continued(message.traceparent):
            _do(message.task, context)


def _do(task: TaskRef, context: Any) -> None:
    run_task(
        task,
        work_of(task.kind, _time_left_s(context)),
        db=wiring.pipeline_database(),
        bus=wiring.bus(),
        queues=wiring.queues(),
    )


def minute_passed() -> None:
    db = wiring.pipeline_database()
    counts = watch_runs(now=datetime.now(UTC), db=db)
    try:
        counts |= {"woken": relay_wakes(db=db, queues=wiring.queues())}
    finally:  # the bus does not wait for a queue
        try:
            counts |= {"published": publish.relay_due_events(db=db, bus=wiring.bus())}
        finally:  # what could not be relayed is what the alarm is for
            wiring.report_metrics(measure_work(db=db))
    log.info("relayed", extra=counts)


def five_minutes_passed(event: dict[str, Any]) -> None:
    now = contracts.parse(event, contracts.Tick).time
    counts = sweep.sweep(db=wiring.pipeline_database(), blobs=wiring.blobs(), queues=wiring.queues(), now=now)
    log.info("swept", extra=counts)


def dead_letter(message_id: str, body: str) -> None:
    """Keep an event or a message that no function could handle where the operator sees it."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = {"unreadable": body[:4000]}
    deadletters.record_dead_letter(message_id, payload, db=wiring.pipeline_database())


def _require_our_bucket(name: str) -> None:
    ours = wiring.settings().images_bucket
    if name != ours:
        raise InvalidInput(
            f"The bucket {name} is not this stage's; that is {ours}.", field="bucket", code="foreign_bucket"
        )


def _time_left_s(context: Any) -> Callable[[], float]:
    """Seconds until the function is cut off, less what it takes to write down how far it got."""
    return lambda: context.get_remaining_time_in_millis() / 1000 - DEADLINE_RESERVE_S
