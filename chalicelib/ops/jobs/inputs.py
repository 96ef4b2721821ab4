"""The file that is uploaded for a run: where it is sent, and what its arrival begins."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from chalicelib import errors
from chalicelib.model.ids import checked_uuid
from chalicelib.model.jobs.kinds import KINDS, JobKind
from chalicelib.model.jobs.runs import INPUT_MAX_BYTES, Run, input_folder, run_of_key
from chalicelib.model.library.items import ItemRef
from chalicelib.ops.ingest.ingest import Arrival, register, register_object
from chalicelib.ops.ingest.manage import object_key
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import runs
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.jobs")


class InputPlace(Struct, frozen=True, kw_only=True):
    """The place to which a run's file is sent: a form, which has fields, or the URL of each part by its number."""

    key: str
    url: str | None
    fields: Mapping[str, str]
    parts: Mapping[int, str]


def place_of_input(
    user_id: str, run_id: str, *, filename: str, parts: int, ttl_s: int, db: "Database", blobs: "Blobs"
) -> InputPlace:
    """Return where the run's file is sent, whole when `parts` is 0.

    Raise NotFound, and Conflict when it has its file.
    """
    known = _checked(run_id)
    run = db.transact(user_id, lambda tx: _get_waiting(tx, user_id, known))
    key = object_key(user_id, input_folder(known), filename).key
    if not parts:
        url, fields = blobs.presign_any(key, max_bytes=INPUT_MAX_BYTES, ttl_s=ttl_s)
        return InputPlace(key=key, url=url, fields=fields, parts={})
    multipart_id = run.multipart_id if run.multipart_key == key else None
    if multipart_id is None:
        begun = multipart_id = blobs.begin_parts(key, content_type="application/octet-stream")
        before = db.transact(user_id, lambda tx: _replace_multipart(tx, user_id, known, key, begun))
        if before.multipart_key and before.multipart_id:
            blobs.abort_parts(before.multipart_key, before.multipart_id)
    urls = {
        number: blobs.presign_any_part(key, multipart_id, number, ttl_s=ttl_s)
        for number in range(1, parts + 1)
    }
    return InputPlace(key=key, url=None, fields={}, parts=urls)


def complete_input(
    user_id: str, run_id: str, parts: Sequence[tuple[int, str]], *, db: "Database", blobs: "Blobs"
) -> Run:
    """Join the parts, given as (number, etag); return the run. It begins when S3's event comes. Safe to repeat.

    Raise NotFound, InvalidInput, and Conflict when no upload in parts was begun.
    """
    known = _checked(run_id)
    run = db.transact(user_id, lambda tx: runs.get(tx, user_id, known))
    if not _takes_file(run):
        raise errors.Conflict("This run takes no file.", code="takes_no_file")
    if run.multipart_id is None or run.multipart_key is None:
        if run.input_key is not None:
            return run
        raise errors.Conflict("No upload in parts was begun for this run.", code="no_upload")
    try:
        blobs.complete_parts(run.multipart_key, run.multipart_id, dict(parts))
    except errors.NotFound:  # it was complete already, and the response was lost
        if not blobs.exists(run.multipart_key):
            said = "This upload has ended; ask for new URLs."
            raise errors.Conflict(said, code="no_upload") from None
    db.transact(user_id, lambda tx: runs.clear_multipart(tx, user_id, known))
    return db.transact(user_id, lambda tx: runs.get(tx, user_id, known))


def register_arrival(arrival: Arrival, *, db: "Database") -> tuple[ItemRef | None, bool]:
    """Make an item of an object that has arrived, or begin the run that it was uploaded for. Idempotent.

    Return the item, and whether there is work to wake. What a run takes out of an archive it registers itself. An
    object of an account that was deleted is dropped; nothing that names its user is logged.
    """
    try:
        return _register(arrival, db=db)
    except errors.NotFound as error:
        if error.code != "account_deleted":
            raise
        log.info("object of a deleted account dropped")
        return None, False


def _register(arrival: Arrival, *, db: "Database") -> tuple[ItemRef | None, bool]:
    place = run_of_key(arrival.key.key)
    if place is None:
        ref = register_object(arrival, db=db)
        return ref, ref is not None
    run_id, is_input = place
    user_id = arrival.key.user_id
    return db.transact(user_id, lambda tx: _begin(tx, run_id, arrival)) if is_input else (None, False)


def _begin(tx: Tx, run_id: str, arrival: Arrival) -> tuple[ItemRef | None, bool]:
    user_id, key = arrival.key.user_id, arrival.key.key
    run = runs.lock(tx, user_id, run_id)
    if run is not None and run.state == "queued" and run.input_key is None:
        runs.set_input(tx, user_id, run_id, key=key, etag=arrival.etag)
        tasks.note_run(tx, user_id, run_id, "file received", message=arrival.key.name)
        return None, tasks.hasten(tx, user_id, run_id)
    if not runs.is_of_use(tx, user_id, key):
        uploads.insert_deletions(tx, user_id, {key: arrival.etag})  # nobody waits for it
    elif run is not None and run.input_key == key and _is_item(run):
        ref = register(tx, arrival)  # the file was put again: as anywhere, its item has the newer bytes
        return ref, ref is not None
    return None, False


def _is_item(run: Run) -> bool:
    return run.running_at is not None and "archive_bytes" not in run.progress


def _get_waiting(tx: Tx, user_id: str, run_id: str) -> Run:
    run = runs.get(tx, user_id, run_id)
    if not _takes_file(run):
        raise errors.Conflict("This run takes no file.", code="takes_no_file")
    if run.state != "queued" or run.input_key is not None:
        raise errors.Conflict(
            "This run has its file already, or is over; begin another run.", code="run_has_begun"
        )
    return run


def _takes_file(run: Run) -> bool:
    return run.is_of_job and KINDS[cast(JobKind, run.kind)].takes_upload and not run.retry_of


def _replace_multipart(tx: Tx, user_id: str, run_id: str, key: str, multipart_id: str) -> Run:
    """Store S3's id of the upload in parts; return the run as it was before."""
    before = runs.lock(tx, user_id, run_id)
    assert before is not None
    runs.set_multipart(tx, user_id, run_id, key=key, multipart_id=multipart_id)
    return before


def _checked(run_id: str) -> str:
    return checked_uuid(run_id, errors.NotFound("There is no such run."))
