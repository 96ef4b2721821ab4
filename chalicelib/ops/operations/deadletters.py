"""Records events that no function could handle, so that the operator sees them and can redrive them."""

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidInput
from chalicelib.logs import redact
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.text import UNSTORABLE
from chalicelib.model.work import pipeline
from chalicelib.model.work.pipeline import Stage
from chalicelib.model.work.runs import DETAIL_TYPE
from chalicelib.ops.ingest.ingest import Arrival, announce_object
from chalicelib.stores.library import items
from chalicelib.stores.operations import failures
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import outbox, tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.deadletters")
STAGE_OF_DETAIL_TYPE: dict[str, Stage] = {
    "ImageProcessed": "analyze",
    "DocumentProcessed": "analyze",
    "AnalysisComplete": "embed",
}
MAX_ERROR_CHARS = 2_000
MAX_DEPTH = 64


def record_dead_letter(message_id: str, payload: Any, *, db: "Database") -> None:
    """Keep the letter (once, however often it is delivered) and note it in its item's timeline.

    The item is not failed: its task is still there, and the sweeper wakes it again.
    """
    payload = _storable(payload)
    letter = _dict(payload) or {"body": payload}
    event, context = _dict(letter.get("requestPayload")), _dict(letter.get("requestContext"))
    detail, response = _dict(event.get("detail")), _dict(letter.get("responsePayload"))
    user_id, item_id = _text(detail.get("user_id")), _text(detail.get("item_id"))
    function = str(context.get("functionArn", "unknown")).split(":function:")[-1].split(":")[0]
    reason = str(context.get("condition", "unknown"))
    error = (f"{response.get('errorType', '')}: {response.get('errorMessage', '')}".strip(": "))[
        :MAX_ERROR_CHARS
    ]
    log.error(
        "dead letter", extra={"function": function, "reason": reason, "error": error, "item_id": item_id}
    )
    db.transact_as_system(
        lambda tx: failures.insert_dead_letter(
            tx,
            message_id=message_id,
            function=function,
            user_id=user_id,
            item_id=item_id,
            reason=reason,
            error=error or "no error was given",
            attempts=_count(context.get("approximateInvokeCount")),
            payload=letter,
        )
    )
    stage = STAGE_OF_DETAIL_TYPE.get(str(event.get("detail-type")))
    if user_id and item_id and stage:
        ref = ItemRef(user_id=user_id, item_id=item_id)
        db.transact(user_id, lambda tx: _note_if_open(tx, ref, stage, error))


def redrive_letters(ids: Sequence[int], *, db: "Database", bus: "Bus", bucket: str) -> int:
    """Do again what these letters' events asked for, and close them; one that asks for nothing is only closed.

    Return how many were closed. Done before they are closed: a crash in between means twice, which is harmless.
    """
    for event in db.transact_as_system(lambda tx: failures.list_letter_events(tx, ids)) if ids else ():
        _redrive_letter(_dict(event), db=db, bus=bus, bucket=bucket)
    return db.transact_as_system(lambda tx: failures.close_letters(tx, ids)) if ids else 0


def _redrive_letter(event: dict[str, Any], *, db: "Database", bus: "Bus", bucket: str) -> None:
    detail = _dict(event.get("detail"))
    stage = STAGE_OF_DETAIL_TYPE.get(str(event.get("detail-type")))
    user_id, item_id = _text(detail.get("user_id")), _text(detail.get("item_id"))
    if stage and user_id and item_id:
        ref = ItemRef(user_id=user_id, item_id=item_id)
        if db.transact(user_id, lambda tx: _wake_if_open(tx, ref, stage, bucket=bucket)):
            return
    run_id = _text(detail.get("run_id"))
    if event.get("detail-type") == DETAIL_TYPE and user_id and run_id:
        from chalicelib.ops.work.runs import rewake_run

        rewake_run(user_id, run_id, db=db)
        return
    key = _text(_dict(detail.get("object")).get("key")) or _text(detail.get("original_key"))
    bucket_name = _text(_dict(detail.get("bucket")).get("name")) or _text(detail.get("bucket"))
    if key is None or bucket_name != bucket:
        return
    try:
        announce_object(Arrival(key=parse_key(key)), bucket=bucket, db=db, bus=bus)
    except InvalidInput:
        log.warning("no item can be made of this", extra={"key": key})


def _wake_if_open(tx: Tx, ref: ItemRef, stage: Stage, *, bucket: str) -> bool:
    """Wake the stage if it is ready; return False when there is no such item."""
    item, task = items.find(tx, ref), tasks.find(tx, ref, stage)
    if item is not None and task is not None and task.state == "ready":
        event = pipeline.wake_up(stage, ref, bucket=bucket, key=item.key, kind=item.kind)
        outbox.insert_later(tx, ref, event)
    return item is not None


def _note_if_open(tx: Tx, ref: ItemRef, stage: Stage, error: str) -> None:
    task = tasks.find(tx, ref, stage)
    if task is None or task.state != "ready":
        return  # done, failed already, or a worker is at it: its own story is the truer one
    items.note(tx, ref, "dead letter", stage=stage, attempt=task.attempt, message=error)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _storable(value: Any, depth: int = 1) -> Any:
    """The same JSON without secrets, and without what Postgres' jsonb refuses: NUL, lone surrogates, NaN.

    What is nested deeper than MAX_DEPTH is left out.
    """
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {_storable(name): _storable(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_storable(part, depth + 1) for part in value]
    if isinstance(value, str):
        return redact(UNSTORABLE.sub("\ufffd", value))
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
