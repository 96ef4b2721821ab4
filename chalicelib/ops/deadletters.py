"""What no function could handle ends here, where the operator sees it."""

import logging
import math
import re
from typing import TYPE_CHECKING, Any

from chalicelib.logs import redact
from chalicelib.model.pipeline import ItemRef, Stage
from chalicelib.stores import items, sweeps, tasks
from chalicelib.stores.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database

log = logging.getLogger("collections.deadletters")
STAGE_OF_DETAIL_TYPE: dict[str, Stage] = {
    "ImageProcessed": "analyze",
    "DocumentProcessed": "analyze",
    "AnalysisComplete": "embed",
}
MAX_ERROR_CHARS = 2_000
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


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
        lambda tx: sweeps.insert_dead_letter(
            tx,
            message_id=message_id,
            function=function,
            user_id=user_id,
            item_id=item_id,
            reason=reason,
            error=error or "no error was given",
            payload=letter,
        )
    )
    stage = STAGE_OF_DETAIL_TYPE.get(str(event.get("detail-type")))
    if user_id and item_id and stage:
        ref = ItemRef(user_id=user_id, item_id=item_id)
        db.transact(user_id, lambda tx: _note_if_open(tx, ref, stage, error))


def _note_if_open(tx: Tx, ref: ItemRef, stage: Stage, error: str) -> None:
    task = tasks.find(tx, ref, stage)
    if task is None or task["state"] != "ready":
        return  # done, failed already, or a worker is at it: its own story is the truer one
    items.note(tx, ref, "dead letter", stage=stage, attempt=task["attempt"], message=error)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _storable(value: Any) -> Any:
    """The same JSON without secrets, and without what Postgres' jsonb refuses: NUL, lone surrogates, NaN."""
    if isinstance(value, dict):
        return {_storable(name): _storable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, str):
        return redact(_UNSTORABLE.sub("\ufffd", value))
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
