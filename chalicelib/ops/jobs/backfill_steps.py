"""The steps of kind backfill: objects that lie in the bucket become items, as the files of a run.

Fewer than MAP_FROM objects are listed here, a page in a step. More are listed by the stage's state machine, if it has
one: a Distributed Map gives them in batches to the dispatcher, which calls file_objects. Both write the same lines, and
what follows is the same: the driver begins 50 at a time, counts, and writes the files of results.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import CollectionsError, Conflict, InvalidInput, Misconfigured, Unavailable
from chalicelib.model.jobs.archives import shown_name
from chalicelib.model.jobs.kinds import BackfillParameters
from chalicelib.model.jobs.runs import RUNS_FOLDER, Run, RunFile
from chalicelib.model.library.items import parse_key
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.jobs.file_steps import look_again
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.executions import Executions, State
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.jobs")
MAP_FROM = 100_000
LISTED_AT_ONCE = 1000


class Listed(Struct, frozen=True, kw_only=True):
    """An object of the bucket; `number` is its place in the list, from 1."""

    number: int
    key: str
    size_bytes: int


class Progress(Struct, frozen=True, kw_only=True):
    """The position of the listing: behind which key it goes on, and after how many objects; or an execution's."""

    after: str | None = None
    listed: int = 0
    is_mapped: bool = False
    is_listed: bool = False


def backfill_steps(
    file_steps: Steps, *, db: "Database", blobs: "Blobs", executions: "Executions | None"
) -> Steps:
    """Return the steps of kind backfill. `file_steps` are those that begin and end the files of a run."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        is_mapped = executions is not None and _has_many(prefix_of(claim.user_id, run), blobs=blobs)
        progress = Progress(is_mapped=is_mapped, is_listed=bool(run.total))
        return lambda tx: runs.set_progress(tx, claim.user_id, run.id, msgspec.to_builtins(progress))

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        progress = msgspec.convert(run.progress, Progress)
        if progress.is_listed:
            return file_steps.step(claim, run, may_begin)
        prefix = prefix_of(claim.user_id, run)
        if not progress.is_mapped:
            page = blobs.list_after(progress.after or "", prefix=prefix, limit=LISTED_AT_ONCE)
            listed = [
                Listed(number=number, key=each.key, size_bytes=each.size_bytes)
                for number, each in enumerate(page, start=progress.listed + 1)
            ]
            return lambda tx: _file_page(tx, claim, run, progress, listed)
        if executions is None:
            said = "BACKFILL_STATE_MACHINE was taken away while it lists for a run."
            raise Misconfigured(said, code="executions_refused")
        where = {"bucket": blobs.bucket, "prefix": prefix}
        executions.start(run.id, {**where, "user_id": claim.user_id, "run_id": run.id})
        state = executions.state_of(run.id)
        begin = file_steps.step(claim, run, may_begin)
        return lambda tx: _look(tx, claim, run, progress, state, begin)

    return Steps(validate=validate, step=step)


def stop_listing(run: Run, *, executions: "Executions | None") -> None:
    """Stop the execution of a run of kind backfill that was stopped, if it has one. It cannot fail."""
    if executions is not None and msgspec.convert(run.progress, Progress).is_mapped:
        try:
            executions.stop(run.id)
        except (Misconfigured, Unavailable) as error:  # its next batch is refused, which ends it as well
            log.warning("execution not stopped", extra={"error": error.code})


def file_objects(user_id: str, run_id: str, listed: Sequence[Listed], *, db: "Database") -> None:
    """Write lines for a batch of the run's objects. Safe to repeat.

    Raise Conflict when the run has ended or was stopped: nothing more of it is to be listed.
    """

    def write(tx: Tx) -> None:
        run = runs.lock(tx, user_id, run_id)
        if run is None or run.kind != "backfill" or run.state != "running":
            raise Conflict("This run is over; nothing more is listed for it.", code="run_is_over")
        _file(tx, user_id, run, listed)

    db.transact(user_id, write)


def prefix_of(user_id: str, run: Run) -> str:
    """Return the prefix of the objects that the run takes; it is below the user's folder."""
    return f"{user_id}/{msgspec.convert(run.parameters, BackfillParameters).prefix}"


def _has_many(prefix: str, *, blobs: "Blobs") -> bool:
    position, count = "", 0
    while page := blobs.list_after(position, prefix=prefix, limit=LISTED_AT_ONCE):
        count, position = count + len(page), page[-1].key
        if count >= MAP_FROM:
            return True
    return False


def _file_page(tx: Tx, claim: Claim, run: Run, progress: Progress, listed: Sequence[Listed]) -> Next:
    _file(tx, claim.user_id, run, listed)
    if listed:
        after = replace(progress, after=listed[-1].key, listed=listed[-1].number)
    else:
        after = replace(progress, is_listed=True)
    runs.set_progress(tx, claim.user_id, run.id, msgspec.to_builtins(after))
    return Next()


def _file(tx: Tx, user_id: str, run: Run, listed: Sequence[Listed]) -> None:
    """Insert a line for each object that is a file of the user's; what the app itself keeps there is left out."""
    _check_prefix(prefix_of(user_id, run), listed)
    own = f"{user_id}/{RUNS_FOLDER}/"
    lines = [_line(each) for each in listed if not each.key.endswith("/") and not each.key.startswith(own)]
    new = files.insert(tx, user_id, run.id, lines)
    refused = sum(line.outcome == "failed" for line in lines) if new else 0
    runs.add_listed(tx, user_id, run.id, new, failed=refused)


def _check_prefix(prefix: str, listed: Sequence[Listed]) -> None:
    if not all(each.key.startswith(prefix) for each in listed):
        raise InvalidInput("An object is not below the run's prefix.", code="foreign_object")


def _line(each: Listed) -> RunFile:
    name = shown_name(each.key.rpartition("/")[2])
    try:
        parse_key(each.key)
    except CollectionsError as error:
        refused = {"outcome": "failed", "code": error.code, "message": error.message}
        return RunFile(number=each.number, name=name, **refused)  # type: ignore[arg-type]
    return RunFile(number=each.number, name=name, key=each.key, size_bytes=each.size_bytes)


def _look(
    tx: Tx, claim: Claim, run: Run, progress: Progress, state: "State", begin: Callable[[Tx], Next]
) -> Next:
    """Begin and end files while the list is made; when it is, say whether it is whole."""
    next_ = begin(tx)
    if state == "running":
        return look_again(run) if next_.is_over else next_
    if state == "failed":
        said = "The list of objects was not made to its end; a new run finds the rest."
        lost = RunFile(
            number=2**31 - 1, name="list of objects", outcome="failed", code="list_failed", message=said
        )
        files.insert(tx, claim.user_id, run.id, [lost])
        runs.add_listed(tx, claim.user_id, run.id, 1, failed=1)
    ended = msgspec.to_builtins(replace(progress, is_listed=True))
    runs.set_progress(tx, claim.user_id, run.id, ended)
    return Next()
