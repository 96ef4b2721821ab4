"""The steps of kind export: all that a user has becomes one zip in S3, a bounded piece of it in each step.

A step writes parts of the zip, and two small objects that the next step needs: the bytes that are too few for a part,
and the list of entries. What it wrote counts from its transaction on; a step that is done again writes the same parts
again, and objects that nobody names are replaced or deleted.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import BadFile, InvalidInput, NotFound
from chalicelib.model.jobs.exports import (
    EXPORT_FILE,
    FORMAT,
    FORMAT_VERSION,
    NEXT_PHASE,
    PART_BYTES,
    Entry,
    Kept,
    Progress,
    original_path,
    progress_of,
)
from chalicelib.model.jobs.runs import Run, RunFile, file_key
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.jobs.export_lines import derived_lines, item_lines, line_of
from chalicelib.ops.jobs.export_zip import PartStream, ZipPiece
from chalicelib.stores.ingest import uploads
from chalicelib.stores.jobs import exports, files, runs
from chalicelib.stores.jobs.exports import ExportedItem
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

MAX_ITEMS = 100_000
ITEMS_A_STEP, BYTES_A_STEP = 50, 64 * 1024 * 1024
CHUNKS_A_STEP = 50_000  # an import has the lines of a step on disk
ROWS_A_STEP = 50  # conversations, for example
DIRECTORY_BYTES = 1024 * 1024  # a longer list of entries is not read and written again in each step

Ended = tuple[RunFile, str, str | None, str | None]  # a line with its outcome, code and message


class Piece(Struct, frozen=True, kw_only=True):
    """A step's part of the zip, with the progress that the step began with."""

    before: Progress
    stream: PartStream
    zip: ZipPiece


def export_steps(*, db: "Database", blobs: "Blobs") -> Steps:
    """Return the steps of kind export. It costs nothing, so that it never waits for money."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        key = file_key(claim.user_id, run.id, EXPORT_FILE)
        multipart_id = blobs.begin_parts(key, content_type="application/zip")
        return lambda tx: _begin(tx, claim, run, key, multipart_id)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        before = progress_of(run.progress)
        if before.phase == "end":
            zip_bytes = _finish(claim, run, blobs=blobs)
            return lambda tx: _end(tx, claim, replace(before, zip_bytes=zip_bytes))
        piece = _open(run, blobs=blobs)
        ended: list[Ended] = []
        if before.phase == "items":
            ended = _add_items(claim, piece, db=db, blobs=blobs)
            after = replace(before, phase=before.phase if ended else NEXT_PHASE[before.phase])
        else:
            after = _add_rows(claim, piece, db=db)
        piece.zip.leave()
        kept = _keep(claim, piece, after, blobs=blobs)
        return lambda tx: _go_on(tx, claim, before, kept, ended)

    return Steps(validate=validate, step=step)


def _begin(tx: Tx, claim: Claim, run: Run, key: str, multipart_id: str) -> None:
    if not run.total:  # a retry has its lines since it was made
        conditions = {"item_ids": None, "status": None, "kind": None, "collection_id": None}
        total = files.insert_items(tx, claim.user_id, run.id, limit=MAX_ITEMS + 1, **conditions)
        if total > MAX_ITEMS:
            raise InvalidInput(f"An export takes at most {MAX_ITEMS:,} items.", code="too_many_items")
        runs.set_total(tx, claim.user_id, run.id, total)
    runs.set_progress(tx, claim.user_id, run.id, {})
    runs.set_multipart(tx, claim.user_id, run.id, key=key, multipart_id=multipart_id)


def _open(run: Run, *, blobs: "Blobs") -> Piece:
    key, multipart_id, before = run.multipart_key, run.multipart_id, progress_of(run.progress)
    assert key is not None and multipart_id is not None
    stream = PartStream(
        lambda number, body: blobs.put_part(key, multipart_id, number, body),
        offset=before.offset,
        parts=before.parts,
        tail=_read(before.tail, blobs=blobs) if before.tail else b"",
    )
    return Piece(before=before, stream=stream, zip=ZipPiece(stream, at=run.created_at))


def _add_items(claim: Claim, piece: Piece, *, db: "Database", blobs: "Blobs") -> list[Ended]:
    """Add the next items, their files first; return how each has ended, nothing when there is none left."""
    user_id = claim.user_id
    waiting = db.transact(user_id, lambda tx: files.list_waiting(tx, user_id, claim.run, limit=ITEMS_A_STEP))
    known = [file.item_id for file in waiting if file.item_id]
    batch = _bounded(waiting, db.transact(user_id, lambda tx: exports.count_chunks(tx, user_id, known)))
    ids = [file.item_id for file in batch if file.item_id]
    found = db.transact(user_id, lambda tx: exports.list_items(tx, user_id, ids))
    ended = [_add_original(file, found.get(file.item_id or ""), piece, blobs=blobs) for file in batch]
    if found:
        paths = {
            file.item_id: original_path(file.number, found[file.item_id].name)
            for file, outcome, _, _ in ended
            if outcome == "done" and file.item_id
        }
        number = f"{batch[0].number:06}"
        piece.zip.add(f"items/{number}.jsonl", item_lines(user_id, found, paths, db=db))
        piece.zip.add(f"derived/{number}.jsonl", derived_lines(user_id, found, db=db, blobs=blobs))
    return ended


def _bounded(waiting: Sequence[RunFile], chunks: Mapping[str, int]) -> list[RunFile]:
    """Return the first lines, which have no more than BYTES_A_STEP and CHUNKS_A_STEP together, but one at least."""
    batch, size, texts = list[RunFile](), 0, 0
    for file in waiting:
        size += file.size_bytes or 0
        texts += chunks.get(file.item_id or "", 0)
        if batch and (size > BYTES_A_STEP or texts > CHUNKS_A_STEP):
            break
        batch.append(file)
    return batch


def _add_original(file: RunFile, item: ExportedItem | None, piece: Piece, *, blobs: "Blobs") -> Ended:
    if item is None:
        return file, "skipped", "deleted", "Its item was deleted."
    try:
        size, etag = blobs.size_of(item.key)
        ranges = (
            blobs.get_range(item.key, start, min(PART_BYTES, size - start), etag=etag)
            for start in range(0, size, PART_BYTES)
        )
        path = original_path(file.number, item.name)
        piece.zip.add(path, ranges, size_bytes=size, method=zipfile.ZIP_STORED)
    except (BadFile, NotFound) as error:
        return file, "failed", error.code, f"{error.message} The item is in the export without its file."
    return file, "done", None, None


def _add_rows(claim: Claim, piece: Piece, *, db: "Database") -> Progress:
    """Add a page of the phase's rows; return where the export goes on."""
    before, phase = piece.before, piece.before.phase
    rows = db.transact(
        claim.user_id,
        lambda tx: exports.list_rows(tx, claim.user_id, phase, after=before.after, limit=ROWS_A_STEP),
    )
    if not rows:
        return replace(before, phase=NEXT_PHASE[phase], after=None)
    count = before.counts.get(phase, 0)
    kind = phase.removesuffix("s")
    piece.zip.add(f"{phase}/{count + 1:06}.jsonl", (line_of(kind, row.line) for row in rows))
    return replace(before, after=rows[-1].id, counts={**before.counts, phase: count + len(rows)})


def _keep(claim: Claim, piece: Piece, after: Progress, *, blobs: "Blobs") -> Progress:
    """Store what the next step needs; return its progress."""
    step, before, stream = after.step + 1, piece.before, piece.stream
    directory = list(before.directory)
    if piece.zip.entries:
        last = directory.pop() if directory and directory[-1].size_bytes < DIRECTORY_BYTES else None
        known = _read(last, blobs=blobs) if last else b""
        added = b"".join(msgspec.json.encode(entry) + b"\n" for entry in piece.zip.entries)
        directory.append(_put(claim, f"{step}.directory", known + added, blobs=blobs))
    rest = stream.tail
    tail = _put(claim, f"{step}.tail", rest, blobs=blobs) if rest else None
    return replace(
        after,
        step=step,
        offset=stream.tell(),
        parts=tuple(stream.parts),
        tail=tail,
        directory=tuple(directory),
    )


def _put(claim: Claim, name: str, body: bytes, *, blobs: "Blobs") -> Kept:
    key = file_key(claim.user_id, claim.run, f"export/{name}")
    return Kept(
        key=key, etag=blobs.put(key, body, content_type="application/octet-stream"), size_bytes=len(body)
    )


def _read(kept: Kept, *, blobs: "Blobs") -> bytes:
    return blobs.get_range(kept.key, 0, kept.size_bytes, etag=kept.etag)


def _go_on(tx: Tx, claim: Claim, before: Progress, after: Progress, ended: Sequence[Ended]) -> Next:
    outcomes = [outcome for _, outcome, _, _ in ended]
    files.set_done(
        tx, claim.user_id, claim.run, [file.number for file, outcome, _, _ in ended if outcome == "done"]
    )
    for file, outcome, code, message in ended:
        if outcome != "done":
            files.set_outcome(
                tx, claim.user_id, claim.run, file.number, outcome=outcome, code=code, message=message
            )
    if ended:
        counts = {name: outcomes.count(name) for name in ("done", "failed", "skipped")}
        runs.add_counts(tx, claim.user_id, claim.run, **counts)
    unneeded = {kept.key: None for kept in before.kept if kept not in after.kept}
    uploads.insert_deletions(tx, claim.user_id, unneeded)
    runs.set_progress(tx, claim.user_id, claim.run, msgspec.to_builtins(after))
    return Next()


def _finish(claim: Claim, run: Run, *, blobs: "Blobs") -> int:
    """Write the manifest and the zip's directory, and join the parts; return the zip's size. Safe to repeat."""
    key = file_key(claim.user_id, run.id, EXPORT_FILE)
    try:
        piece = _open(run, blobs=blobs)
        piece.zip.add("manifest.json", _manifest(run, piece.before, _entries(piece.before, blobs=blobs)))
        piece.zip.close(lambda: _entries(piece.before, blobs=blobs))
        piece.stream.send_rest()
        assert run.multipart_id is not None
        blobs.complete_parts(key, run.multipart_id, dict(enumerate(piece.stream.parts, start=1)))
    except NotFound:  # the parts were joined already, and then this worker's transaction was lost
        if not blobs.exists(key):
            raise
    return blobs.size_of(key)[0]


def _entries(progress: Progress, *, blobs: "Blobs") -> Iterator[Entry]:
    """Yield the entries so far; an object of them is in memory at once."""
    for kept in progress.directory:
        for line in _read(kept, blobs=blobs).splitlines():
            yield msgspec.json.decode(line, type=Entry)


def _manifest(run: Run, progress: Progress, entries: Iterable[Entry]) -> Iterator[bytes]:
    counts = {"items": run.done + run.failed, "files": run.done} | {
        phase: 0 for phase in NEXT_PHASE if phase != "items"
    }
    head = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "run_id": run.id,
        "created_at": run.created_at,
        "counts": counts | progress.counts,
    }
    yield msgspec.json.encode(head)[:-1] + b',"entries":['
    for place, entry in enumerate(entries):
        listed = {"name": entry.name, "size_bytes": entry.size_bytes, "sha256": entry.sha256}
        yield (b",\n" if place else b"\n") + msgspec.json.encode(listed)
    yield b"]}\n"


def _end(tx: Tx, claim: Claim, after: Progress) -> Next:
    uploads.insert_deletions(tx, claim.user_id, {kept.key: None for kept in after.kept})
    ended = replace(after, tail=None, directory=(), parts=())
    runs.clear_multipart(tx, claim.user_id, claim.run)
    runs.set_progress(tx, claim.user_id, claim.run, msgspec.to_builtins(ended))
    return Next(is_over=True)
