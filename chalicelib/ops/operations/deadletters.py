"""Records events and messages that no function could handle, so that the operator sees them and can redrive them."""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.errors import InvalidInput
from chalicelib.logs import redact
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.text import UNSTORABLE
from chalicelib.model.work.pipeline import STAGE_OF_DETAIL_TYPE, Stage
from chalicelib.model.work.tasks import POLICIES, TaskRef
from chalicelib.ops.ingest.ingest import Arrival, register_object
from chalicelib.stores.library import items
from chalicelib.stores.operations import failures
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.deadletters")
MAX_ERROR_CHARS = 2_000
MAX_DEPTH = 64


def record_dead_letter(message_id: str, payload: Any, *, db: "Database") -> None:
    """Keep the letter, once, however often it is delivered.

    It is an event that a function could not handle, in Lambda's failure record, or a message that a worker has failed
    on too often. The message's task is not failed: the relay sends another message, and its attempts are counted.
    """
    payload = _storable(payload)
    letter = _dict(payload) or {"body": payload}
    task = _task_of(letter)
    event, context = _dict(letter.get("requestPayload")), _dict(letter.get("requestContext"))
    detail, response = _dict(event.get("detail")), _dict(letter.get("responsePayload"))
    error = f"{response.get('errorType', '')}: {response.get('errorMessage', '')}".strip(": ")[
        :MAX_ERROR_CHARS
    ]
    function = str(context.get("functionArn", "unknown")).split(":function:")[-1].split(":")[0]
    told: dict[str, Any] = {
        "function": POLICIES[task.kind].queue if task else function,
        "user_id": task.user_id if task else _text(detail.get("user_id")),
        "item_id": _text(detail.get("item_id")),
        "reason": "MaxReceiveCountExceeded" if task else str(context.get("condition", "unknown")),
        "error": error or "no error was given",
        "attempts": _count(context.get("approximateInvokeCount")),
    }
    log.error("dead letter", extra=told)
    db.transact_as_system(
        lambda tx: failures.insert_dead_letter(tx, message_id=message_id, payload=letter, **told)
    )
    if task:
        db.transact(task.user_id, lambda tx: tasks.set_unwoken(tx, task))
    stage = STAGE_OF_DETAIL_TYPE.get(str(event.get("detail-type")))
    if told["user_id"] and told["item_id"] and stage:
        ref = ItemRef(user_id=told["user_id"], item_id=told["item_id"])
        db.transact(ref.user_id, lambda tx: _note_if_open(tx, ref, stage, error))


def record_refusal(event: dict[str, Any], error: InvalidInput, *, function_arn: str, db: "Database") -> None:
    """Keep an event that asks for what can never be done, as if Lambda had given it up after one attempt."""
    event_id = _text(event.get("id")) or hashlib.sha256(json.dumps(event).encode()).hexdigest()
    letter = {
        "requestContext": {
            "condition": error.code,
            "approximateInvokeCount": 1,
            "functionArn": function_arn or "dispatcher",
        },
        "requestPayload": event,
        "responsePayload": {"errorType": type(error).__name__, "errorMessage": error.message},
    }
    record_dead_letter(f"refused-{event_id[:200]}", letter, db=db)


def redrive_letters(ids: Sequence[int], *, db: "Database", bucket: str) -> int:
    """Do again what these letters asked for, and close them; one that asks for nothing is only closed.

    Return how many were closed. Done before they are closed: a crash in between means twice, which is harmless.
    """
    if not ids:
        return 0
    for letter in db.transact_as_system(lambda tx: failures.list_letters(tx, ids)):
        _redrive_letter(_dict(letter), db=db, bucket=bucket)
    return db.transact_as_system(lambda tx: failures.close_letters(tx, ids))


def _redrive_letter(letter: dict[str, Any], *, db: "Database", bucket: str) -> None:
    if task := _task_of(letter):
        db.transact(task.user_id, lambda tx: tasks.set_unwoken(tx, task))
        return
    detail = _dict(_dict(letter.get("requestPayload")).get("detail"))
    user_id, item_id = _text(detail.get("user_id")), _text(detail.get("item_id"))
    if user_id and item_id:
        ref = ItemRef(user_id=user_id, item_id=item_id)
        if db.transact(user_id, lambda tx: items.find(tx, ref)) is not None:
            return  # known, and its tasks are woken by messages
    key = _text(_dict(detail.get("object")).get("key")) or _text(detail.get("original_key"))
    bucket_name = _text(_dict(detail.get("bucket")).get("name")) or _text(detail.get("bucket"))
    if key is None or bucket_name != bucket:
        return
    try:
        register_object(Arrival(key=parse_key(key)), db=db)
    except InvalidInput:
        log.warning("no item can be made of this", extra={"key": key})


def _note_if_open(tx: Tx, ref: ItemRef, stage: Stage, error: str) -> None:
    task = tasks.find(tx, ref, stage)
    if task is None or task.state != "ready":
        return  # done, failed already, or a worker is at it: its own story is the truer one
    items.note(tx, ref, "dead letter", stage=stage, attempt=task.attempt, message=error)


def _task_of(letter: dict[str, Any]) -> TaskRef | None:
    """Return the task that a message of ours names."""
    try:
        return msgspec.convert(letter.get("task"), TaskRef)
    except msgspec.ValidationError:
        return None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _storable(value: Any, depth: int = 1) -> Any:
    """Return the same JSON without secrets, and without what Postgres' jsonb refuses: NUL, lone surrogates, NaN.

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
