"""The steps of the kinds whose runs have files: ingest, zip_import, reprocess."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import BadFile, NotFound, TooLarge
from chalicelib.model.ingest.files import SNIFF_BYTES
from chalicelib.model.jobs import archives
from chalicelib.model.jobs.kinds import ReprocessParameters
from chalicelib.model.jobs.runs import INPUT_MAX_BYTES, Run, RunFile, entry_folder
from chalicelib.model.library.items import ItemRef, ObjectKey, parse_key
from chalicelib.model.usage.budgets import DEFAULT_PLAN, Budgets, bytes_limit_of
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.ingest import Arrival, register
from chalicelib.ops.ingest.manage import object_key, restart_item
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.jobs.stop import settle_files
from chalicelib.ops.usage.storage import require_storage
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.accounts import accounts
from chalicelib.stores.aws.ranges import RangedObject
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    import zipfile

    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

AT_WORK = 50  # files of a run that are at work at once
ENTRIES_A_STEP = 10
MAX_ITEMS = 100_000  # of one run
LOOK_AGAIN_S, LOOK_AGAIN_MAX_S = 2.0, 15.0
LINES_AT_ONCE = 1000
ENTRY_TTL_S = 900  # what is announced of an archive is stored by then


def file_steps(
    *, db: "Database", blobs: "Blobs", queues: "Queues", max_file_bytes: int, storage_gb: Budgets
) -> Steps:
    """Return the steps of a kind of run that has files."""
    limits = archives.EntryLimits(max_file_bytes=max_file_bytes)

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        if run.retry_of is not None:
            return lambda tx: None  # its lines are there since it was made
        if run.kind == "reprocess":
            return lambda tx: _list_items(tx, claim, run)
        return _list_input(claim, run, limits, blobs=blobs, storage_gb=storage_gb)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        waiting, room = db.transact(claim.user_id, lambda tx: _find_waiting(tx, claim))
        begun = waiting[:room] if may_begin else []
        entries = [file for file in begun if file.item_id is None and file.line is not None]
        if entries:
            _unpack(
                claim,
                run,
                entries[:ENTRIES_A_STEP],
                limits,
                db=db,
                blobs=blobs,
                queues=queues,
                storage_gb=storage_gb,
            )
        plain = [file for file in begun if file.item_id is not None or file.line is None]
        return lambda tx: _begin_and_settle(tx, claim, run, plain, may_begin=may_begin, goes_on=bool(entries))

    return Steps(validate=validate, step=step)


def _list_items(tx: Tx, claim: Claim, run: Run) -> None:
    wanted = msgspec.convert(run.parameters, ReprocessParameters)
    total = files.insert_items(
        tx,
        claim.user_id,
        run.id,
        item_ids=wanted.item_ids,
        status=wanted.status,
        kind=wanted.kind,
        collection_id=run.collection_id,
        limit=MAX_ITEMS,
    )
    runs.set_total(tx, claim.user_id, run.id, total)


def _list_input(
    claim: Claim, run: Run, limits: archives.EntryLimits, *, blobs: "Blobs", storage_gb: Budgets
) -> Callable[[Tx], None]:
    """Find out what was uploaded: an archive, whose entries are the run's files, or one file. Raise BadFile."""
    assert run.input_key is not None
    size_bytes, etag = blobs.size_of(run.input_key)
    head = blobs.get_range(run.input_key, 0, SNIFF_BYTES, etag=etag) if size_bytes else b""
    is_archive = archives.is_archive(head)
    if is_archive and size_bytes > INPUT_MAX_BYTES:
        raise BadFile(
            f"The archive has {size_bytes:,} bytes; at most {INPUT_MAX_BYTES:,} are taken.", code="too_large"
        )
    if is_archive:
        listed = archives.list_files(_open(run.input_key, size_bytes, etag, blobs=blobs), limits)
    elif run.kind == "zip_import":
        raise BadFile(
            "What was uploaded is not a zip archive; a job of kind ingest takes it.", code="not_an_archive"
        )
    else:
        key = parse_key(run.input_key)
        listed = [RunFile(number=1, name=key.name, key=key.key, size_bytes=size_bytes)]

    def write(tx: Tx) -> None:
        if not is_archive:
            _require_storage(tx, parse_key(run.input_key or ""), size_bytes, storage_gb)
        for start in range(0, len(listed), LINES_AT_ONCE):
            files.insert(tx, claim.user_id, run.id, listed[start : start + LINES_AT_ONCE])
        runs.set_input(tx, claim.user_id, run.id, key=run.input_key or "", etag=etag)
        runs.set_progress(tx, claim.user_id, run.id, {"archive_bytes": size_bytes} if is_archive else {})
        runs.set_total(tx, claim.user_id, run.id, len(listed))
        refused = [file.outcome for file in listed]
        counts = {"failed": refused.count("failed"), "skipped": refused.count("skipped")}
        runs.add_counts(tx, claim.user_id, run.id, **counts)

    return write


def _find_waiting(tx: Tx, claim: Claim) -> tuple[list[RunFile], int]:
    """Return the next files to begin, and how many may be begun now."""
    room = AT_WORK - len(files.list_at_work(tx, claim.user_id, claim.run))
    return files.list_waiting(tx, claim.user_id, claim.run, limit=AT_WORK), max(0, room)


def _unpack(
    claim: Claim,
    run: Run,
    entries: list[RunFile],
    limits: archives.EntryLimits,
    *,
    db: "Database",
    blobs: "Blobs",
    queues: "Queues",
    storage_gb: Budgets,
) -> None:
    """Copy entries of the archive to objects of their own, and make their items, one transaction each."""
    assert run.input_key is not None and run.input_etag is not None
    archive = _open(run.input_key, run.progress["archive_bytes"], run.input_etag, blobs=blobs)
    for entry in entries:
        assert entry.line is not None
        folder, name = entry_folder(run.id, entry.number), archives.base_name(entry.name)
        try:
            key = object_key(claim.user_id, folder, name)
            db.transact(claim.user_id, lambda tx, k=key, e=entry: _announce(tx, k, e, storage_gb))  # type: ignore[misc]
            parts = archives.read_entry(archive, entry.line)
            etag = blobs.put_parts(key.key, parts, content_type="application/octet-stream")
        except (BadFile, TooLarge) as error:
            refused = (error.code, error.message)
            db.transact(claim.user_id, lambda tx, e=entry, r=refused: _refuse(tx, claim, e, *r))  # type: ignore[misc]
            continue
        arrival = Arrival(key=key, etag=etag)
        db.transact(claim.user_id, lambda tx, e=entry, a=arrival: _begin_entry(tx, claim, run, e, a))  # type: ignore[misc]
    wake_later(claim.user_id, db=db, queues=queues)


def _announce(tx: Tx, key: ObjectKey, entry: RunFile, storage_gb: Budgets) -> None:
    """Count the entry's bytes before they are stored. Raise TooLarge."""
    size_bytes = entry.size_bytes or 0
    _require_storage(tx, key, size_bytes, storage_gb)
    uploads.insert(tx, key, content_type=None, size_bytes=size_bytes, sha256=None, ttl_s=ENTRY_TTL_S)


def _require_storage(tx: Tx, key: ObjectKey, size_bytes: int, storage_gb: Budgets) -> None:
    account = accounts.find(tx, key.user_id)
    limit_bytes = bytes_limit_of(storage_gb, account.plan if account else DEFAULT_PLAN)
    require_storage(tx, key, size_bytes, limit_bytes=limit_bytes)


def _begin_entry(tx: Tx, claim: Claim, run: Run, entry: RunFile, arrival: Arrival) -> None:
    tasks.checkpoint(tx, claim)
    _register(tx, claim, run, entry, arrival)


def _refuse(tx: Tx, claim: Claim, entry: RunFile, code: str, message: str) -> None:
    tasks.checkpoint(tx, claim)
    _end(tx, claim, entry, outcome="failed", code=code, message=message)


def _begin_and_settle(
    tx: Tx, claim: Claim, run: Run, plain: list[RunFile], *, may_begin: bool, goes_on: bool
) -> Next:
    items.lock_many(tx, claim.user_id, [file.item_id for file in plain if file.item_id])
    for file in plain:
        if file.item_id is not None:
            _restart(tx, claim, file)
        elif file.key is not None:
            _register(tx, claim, run, file, Arrival(key=parse_key(file.key), etag=run.input_etag))
    counts = settle_files(tx, claim.user_id, run.id)
    if goes_on:
        return Next()
    if counts.at_work:
        return Next(wait_s=min(max(LOOK_AGAIN_S, (run.idle_s or 0.0) / 10), LOOK_AGAIN_MAX_S))
    is_over = not files.list_waiting(tx, claim.user_id, run.id, limit=1)
    return Next(is_over=is_over, is_held=not is_over and not may_begin)


def _register(tx: Tx, claim: Claim, run: Run, file: RunFile, arrival: Arrival) -> None:
    ref = register(tx, arrival)
    if ref is None:
        return _end(tx, claim, file, outcome="skipped", code="deleted", message="It was deleted meanwhile.")
    files.set_started(tx, claim.user_id, run.id, file.number, item_id=ref.item_id, key=arrival.key.key)
    if run.collection_id is not None:
        files.add_to_collection(tx, claim.user_id, run.collection_id, [ref.item_id])


def _restart(tx: Tx, claim: Claim, file: RunFile) -> None:
    assert file.item_id is not None
    try:
        restart_item(tx, ItemRef(user_id=claim.user_id, item_id=file.item_id))
    except NotFound:
        return _end(tx, claim, file, outcome="skipped", code="deleted", message="Its item was deleted.")
    files.set_started(tx, claim.user_id, claim.run, file.number, item_id=file.item_id, key=file.key)


def _end(tx: Tx, claim: Claim, file: RunFile, *, outcome: str, code: str, message: str) -> None:
    files.set_outcome(tx, claim.user_id, claim.run, file.number, outcome=outcome, code=code, message=message)
    runs.add_counts(tx, claim.user_id, claim.run, **{outcome: 1})


def _open(key: str, size_bytes: int, etag: str, *, blobs: "Blobs") -> "zipfile.ZipFile":
    return archives.open_archive(
        RangedObject(
            blobs,
            key,
            size_bytes=size_bytes,
            etag=etag,
            max_read_bytes=archives.MAX_DIRECTORY_BYTES,
            too_large_code="too_many_entries",
        )  # type: ignore[arg-type]
    )
