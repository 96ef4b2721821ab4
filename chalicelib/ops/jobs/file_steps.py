"""The steps of the kinds whose runs have files: ingest, zip_import, reprocess."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import BadFile, InvalidInput, NotFound
from chalicelib.model.ingest.files import SNIFF_BYTES
from chalicelib.model.jobs import archives
from chalicelib.model.jobs.kinds import ReprocessParameters
from chalicelib.model.jobs.runs import INPUT_MAX_BYTES, Run, RunFile
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.model.usage.budgets import DEFAULT_PLAN, Budgets, bytes_limit_of
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.ingest import Arrival, register
from chalicelib.ops.ingest.manage import restart_item
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.jobs.entries import Copied, LastArchive, copy_entries, open_ranges
from chalicelib.ops.usage.storage import require_storage
from chalicelib.ops.work.stop import settle_files
from chalicelib.stores.accounts import accounts
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

AT_WORK = 50  # files of a run that are at work at once
ENTRIES_A_STEP = 10
MAX_ITEMS = 100_000  # of one run
LOOK_AGAIN_S, LOOK_AGAIN_MAX_S = 2.0, 15.0
LINES_AT_ONCE = 1000


def file_steps(
    *,
    db: "Database",
    blobs: "Blobs",
    last_archive: LastArchive,
    max_file_bytes: int,
    storage_gb: Budgets,
) -> Steps:
    """Return the steps of a kind of run that has files. What a step begins, it begins in one transaction."""
    limits = archives.EntryLimits(max_file_bytes=max_file_bytes)

    def limit_bytes(user_id: str) -> Callable[[Tx], int | None]:
        return lambda tx: storage_limit(tx, user_id, storage_gb)

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        if run.total:
            return lambda tx: None  # of a retry: its lines are there since it was made
        if run.kind == "reprocess":
            return lambda tx: _list_items(tx, claim, run)
        return _list_input(claim, run, limits, blobs=blobs, limit_bytes=limit_bytes(claim.user_id))

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        waiting, room = db.transact(claim.user_id, lambda tx: find_waiting(tx, claim))
        begun = waiting[:room] if may_begin else []
        entries = [file for file in begun if file.item_id is None and file.line is not None]
        copied = []
        if entries:
            copied = copy_entries(
                run,
                claim.user_id,
                entries[:ENTRIES_A_STEP],
                db=db,
                blobs=blobs,
                last_archive=last_archive,
                limit_bytes=limit_bytes(claim.user_id),
            )
        plain = [file for file in begun if file.item_id is not None or file.line is None]
        return lambda tx: _begin_and_settle(tx, claim, run, plain, copied, may_begin=may_begin)

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
        limit=MAX_ITEMS + 1,
    )
    if total > MAX_ITEMS:
        said = f"More than {MAX_ITEMS:,} items fulfil the conditions; process them by collection, kind or status."
        raise InvalidInput(said, code="too_many_items")
    runs.set_total(tx, claim.user_id, run.id, total)
    missing = items.lock_known(tx, claim.user_id, wanted.item_ids or ())
    if missing:
        files.insert(tx, claim.user_id, run.id, [_no_item(total + n, id_) for n, id_ in enumerate(missing, 1)])
        runs.add_listed(tx, claim.user_id, run.id, len(missing), failed=len(missing))


def _no_item(number: int, item_id: str) -> RunFile:
    said = "There is no such item."
    return RunFile(number=number, name=item_id, outcome="failed", code="item_not_found", message=said)


def _list_input(
    claim: Claim,
    run: Run,
    limits: archives.EntryLimits,
    *,
    blobs: "Blobs",
    limit_bytes: Callable[[Tx], int | None],
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
        ranged = open_ranges(run.input_key, size_bytes, etag, blobs=blobs)
        archive = archives.open_archive(ranged)  # type: ignore[arg-type]
        archives.check_length(archive, limits)
        listed: Callable[[], Iterable[RunFile]] = partial(archives.list_files, archive, limits)
    elif run.kind == "zip_import":
        raise BadFile(
            "What was uploaded is not a zip archive; a job of kind ingest takes it.", code="not_an_archive"
        )
    else:
        key = parse_key(run.input_key)
        only = RunFile(number=1, name=key.name, key=key.key, size_bytes=size_bytes)
        listed = partial(list, [only])

    def write(tx: Tx) -> None:
        if not is_archive:
            require_storage(tx, parse_key(run.input_key or ""), size_bytes, limit_bytes=limit_bytes(tx))
        lines, ended = iter(listed()), Counter[str | None]()
        while page := list(islice(lines, LINES_AT_ONCE)):
            files.insert(tx, claim.user_id, run.id, page)
            ended.update(file.outcome for file in page)
        runs.set_input(tx, claim.user_id, run.id, key=run.input_key or "", etag=etag)
        runs.set_progress(tx, claim.user_id, run.id, {"archive_bytes": size_bytes} if is_archive else {})
        runs.set_total(tx, claim.user_id, run.id, ended.total())
        runs.add_counts(tx, claim.user_id, run.id, failed=ended["failed"], skipped=ended["skipped"])

    return write


def find_waiting(tx: Tx, claim: Claim) -> tuple[list[RunFile], int]:
    """Return the next files to begin, and how many may be begun now."""
    room = AT_WORK - files.count_at_work(tx, claim.user_id, claim.run)
    return files.list_waiting(tx, claim.user_id, claim.run, limit=AT_WORK), max(0, room)


def storage_limit(tx: Tx, user_id: str, storage_gb: Budgets) -> int | None:
    """Return how many bytes the user's plan has room for, None for any number."""
    account = accounts.find(tx, user_id)
    return bytes_limit_of(storage_gb, account.plan if account else DEFAULT_PLAN)


def _begin_copied(tx: Tx, claim: Claim, run: Run, copied: Sequence[Copied]) -> None:
    stored = [each.arrival.key.key for each in copied if each.arrival is not None]
    uploads.delete_deletions(tx, stored)
    for each in copied:
        if each.arrival is not None:
            _register(tx, claim, run, each.file, each.arrival)
        elif each.error is not None:
            end_line(tx, claim, each.file, outcome="failed", code=each.error.code, message=each.error.message)


def _begin_and_settle(
    tx: Tx, claim: Claim, run: Run, plain: list[RunFile], copied: Sequence[Copied], *, may_begin: bool
) -> Next:
    items.lock_many(tx, claim.user_id, [file.item_id for file in plain if file.item_id])
    for file in plain:
        if file.item_id is not None:
            restart_line(tx, claim, file)
        elif file.key is not None:
            _register(tx, claim, run, file, Arrival(key=parse_key(file.key), etag=run.input_etag))
    _begin_copied(tx, claim, run, copied)
    counts = settle_files(tx, claim.user_id, run.id)
    if copied:
        return Next()
    if counts.at_work:
        return look_again(run)
    is_over = not files.list_waiting(tx, claim.user_id, run.id, limit=1)
    return Next(is_over=is_over, is_held=not is_over and not may_begin)


def look_again(run: Run) -> Next:
    """Return when to look after files that are at work: the more seldom, the longer nothing has moved."""
    return Next(wait_s=min(max(LOOK_AGAIN_S, (run.idle_s or 0.0) / 10), LOOK_AGAIN_MAX_S))


def _register(tx: Tx, claim: Claim, run: Run, file: RunFile, arrival: Arrival) -> None:
    ref = register(tx, arrival)
    if ref is None:
        return end_line(
            tx, claim, file, outcome="skipped", code="deleted", message="It was deleted meanwhile."
        )
    files.set_started(tx, claim.user_id, run.id, file.number, item_id=ref.item_id, key=arrival.key.key)
    if run.collection_id is not None:
        files.add_to_collection(tx, claim.user_id, run.collection_id, [ref.item_id])


def restart_line(tx: Tx, claim: Claim, file: RunFile) -> None:
    """Have the item of this line processed again."""
    assert file.item_id is not None
    try:
        restart_item(tx, ItemRef(user_id=claim.user_id, item_id=file.item_id))
    except NotFound:
        return end_line(tx, claim, file, outcome="skipped", code="deleted", message="Its item was deleted.")
    files.set_started(tx, claim.user_id, claim.run, file.number, item_id=file.item_id, key=file.key)


def end_line(tx: Tx, claim: Claim, file: RunFile, *, outcome: str, code: str, message: str) -> None:
    """End a line that no item answers for, and count it."""
    files.set_outcome(tx, claim.user_id, claim.run, file.number, outcome=outcome, code=code, message=message)
    runs.add_counts(tx, claim.user_id, claim.run, **{outcome: 1})
