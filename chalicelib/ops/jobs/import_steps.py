"""The steps of kind import: put back all that an export has. What is there already stays as it is.

The lines of the run are the export's entries: the file of each item first, then collections, conversations, concepts
and exercises, which refer to items and so begin when all items have ended. A line is begun in one transaction with
what it puts back, so that a worker that is killed costs one line.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.jobs.archives import shown_name
from chalicelib.model.jobs.imports import FOLDERS, MANIFEST, ORIGINALS
from chalicelib.model.jobs.runs import Run, RunFile
from chalicelib.model.usage.budgets import Budgets
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.jobs.entries import LastArchive
from chalicelib.ops.jobs.file_steps import AT_WORK, LINES_AT_ONCE, end_line, find_waiting, look_again
from chalicelib.ops.jobs.import_items import import_items
from chalicelib.ops.jobs.import_restore import Model
from chalicelib.ops.jobs.import_rows import import_lines
from chalicelib.ops.jobs.import_zip import ExportZip, open_export
from chalicelib.ops.work.stop import settle_files
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database


def import_steps(
    *,
    db: "Database",
    blobs: "Blobs",
    queues: "Queues",
    last_archive: LastArchive,
    models: Sequence[Model],
    limits: FileLimits,
    storage_gb: Budgets,
) -> Steps:
    """Return the steps of kind import. `models` are those whose vectors are of use here."""

    def opened(key: str | None, size_bytes: int, etag: str | None) -> AbstractContextManager[ExportZip]:
        assert key is not None and etag is not None
        return last_archive.opened(key, etag, lambda: open_export(key, size_bytes, etag, blobs=blobs))

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        assert run.input_key is not None
        if run.total:
            return lambda tx: None  # of a retry: its lines are there since it was made
        size_bytes, etag = blobs.size_of(run.input_key)
        with opened(run.input_key, size_bytes, etag) as export:
            listed = _list_lines(export)
        return lambda tx: _write_lines(tx, claim, run, listed, size_bytes, etag)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        waiting, room = db.transact(claim.user_id, lambda tx: find_waiting(tx, claim))
        originals = [file for file in waiting[:room] if file.name.startswith(f"{ORIGINALS}/")]
        rows = waiting[0] if waiting and not originals else None
        if originals and may_begin:
            with opened(run.input_key, run.progress["archive_bytes"], run.input_etag) as export:
                import_items(
                    claim,
                    run,
                    originals,
                    export,
                    db=db,
                    blobs=blobs,
                    models=models,
                    limits=limits,
                    storage_gb=storage_gb,
                )
            wake_later(claim.user_id, db=db, queues=queues)
        elif rows and not rows.name.startswith(f"{ORIGINALS}/") and not _has_items_at_work(claim, db=db):
            with opened(run.input_key, run.progress["archive_bytes"], run.input_etag) as export:
                _import_rows(claim, rows, export, db=db)
        return lambda tx: _settle(tx, claim, run, may_begin=may_begin)

    return Steps(validate=validate, step=step)


def _list_lines(export: ExportZip) -> list[RunFile]:
    """Return a line for each entry that is put back, and for each that is not, with the reason."""
    lines = list[RunFile]()
    for folder in FOLDERS:
        for name in sorted(name for name in export.listed if name.startswith(f"{folder}/")):
            refusal = export.refusal(name)
            failed = (
                {"outcome": "failed", "code": refusal.code, "message": refusal.message} if refusal else {}
            )
            size = export.listed[name].size_bytes
            lines.append(_line(len(lines) + 1, name, export.places.get(name), size_bytes=size, **failed))
    lost = export.manifest.counts.get("items", 0) - export.manifest.counts.get("files", 0)
    if lost > 0:
        said = f"{lost} items have no file in the export; they are not put back. Their text is in the zip."
        lines.append(
            _line(len(lines) + 1, "items", None, outcome="skipped", code="no_original", message=said)
        )
    for name in sorted(export.places.keys() - export.listed.keys() - {MANIFEST}):
        said = "The manifest does not list this entry, so it is not read."
        skipped = {"outcome": "skipped", "code": "unlisted_entry", "message": said}
        lines.append(_line(len(lines) + 1, name, export.places[name], **skipped))
    return lines


def _line(number: int, name: str, place: int | None, **fields: object) -> RunFile:
    return RunFile(number=number, name=shown_name(name), line=place, **fields)  # type: ignore[arg-type]


def _write_lines(
    tx: Tx, claim: Claim, run: Run, listed: Sequence[RunFile], size_bytes: int, etag: str
) -> None:
    for start in range(0, len(listed), LINES_AT_ONCE):
        files.insert(tx, claim.user_id, run.id, listed[start : start + LINES_AT_ONCE])
    runs.set_input(tx, claim.user_id, run.id, key=run.input_key or "", etag=etag)
    runs.set_progress(tx, claim.user_id, run.id, {"archive_bytes": size_bytes})
    runs.set_total(tx, claim.user_id, run.id, len(listed))
    ended = [file.outcome for file in listed]
    runs.add_counts(tx, claim.user_id, run.id, failed=ended.count("failed"), skipped=ended.count("skipped"))


def _has_items_at_work(claim: Claim, *, db: "Database") -> bool:
    def settle(tx: Tx) -> bool:
        tasks.checkpoint(tx, claim)
        return settle_files(tx, claim.user_id, claim.run).at_work > 0

    return db.transact(claim.user_id, settle)


def _import_rows(claim: Claim, file: RunFile, export: ExportZip, *, db: "Database") -> None:
    """Put back the lines of one entry, all or none."""

    def put_back(tx: Tx) -> None:
        tasks.checkpoint(tx, claim)
        if import_lines(tx, claim.user_id, file.name, lines):
            files.set_done(tx, claim.user_id, claim.run, [file.number])
            runs.add_counts(tx, claim.user_id, claim.run, done=1)
        else:
            end_line(
                tx, claim, file, outcome="skipped", code="duplicate", message="All of it is there already."
            )

    def refuse(tx: Tx, error: BadFile) -> None:
        tasks.checkpoint(tx, claim)
        end_line(tx, claim, file, outcome="failed", code=error.code, message=error.message)

    try:
        with export.lines(file.name) as lines:
            db.transact(claim.user_id, put_back)
    except BadFile as error:
        refused = error
        db.transact(claim.user_id, lambda tx: refuse(tx, refused))


def _settle(tx: Tx, claim: Claim, run: Run, *, may_begin: bool) -> Next:
    counts = settle_files(tx, claim.user_id, run.id)
    waiting = files.list_waiting(tx, claim.user_id, run.id, limit=1)
    if not waiting:
        return look_again(run) if counts.at_work else Next(is_over=True)
    begins_now = (
        counts.at_work < AT_WORK if waiting[0].name.startswith(f"{ORIGINALS}/") else not counts.at_work
    )
    if begins_now and (may_begin or not waiting[0].name.startswith(f"{ORIGINALS}/")):
        return Next()
    return look_again(run) if counts.at_work else Next(is_held=True)
