"""Heals the pipeline when events or workers are lost. Works in batches, and may run twice at once."""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import CollectionsError, Unavailable
from chalicelib.model.library.items import DERIVED_PREFIX, parse_key
from chalicelib.ops.accounts.delete import go_on_deleting
from chalicelib.ops.ingest.ingest import Arrival
from chalicelib.ops.ingest.uploads import abort_abandoned
from chalicelib.ops.jobs.inputs import register_arrival
from chalicelib.ops.jobs.watch import find_stuck, prune_runs
from chalicelib.ops.search.codes import code_vectors
from chalicelib.ops.work.engine import take_back
from chalicelib.ops.work.wake import rewake_lost
from chalicelib.stores import cache_entries, idempotency_keys
from chalicelib.stores.ingest import uploads
from chalicelib.stores.operations import failures, sweeps
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import answers, spending
from chalicelib.stores.webhooks import deliveries
from chalicelib.stores.work import outbox, tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs, StoredObject
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.sweep")
BATCH = 200
LISTED_PER_SWEEP = 20_000
CURSOR = "objects"
SETTLED_AFTER = timedelta(minutes=4)  # an object's own event may still be on its way before


def sweep(*, db: "Database", blobs: "Blobs", queues: "Queues", now: datetime) -> dict[str, int]:
    """Register unknown objects, take back expired leases, send lost wake-ups again, prune rows, delete objects.

    Return how many of each. Raise Unavailable when S3 or a queue is away, after all steps that do not need it.
    """
    counts: dict[str, int] = {}
    try:
        counts |= {"lost_wake_ups": rewake_lost(db=db, queues=queues)}
    finally:
        try:
            counts["found_objects"] = reconcile_objects(db=db, blobs=blobs, before=now - SETTLED_AFTER)
        finally:
            counts |= _heal(db=db)
        counts["deleted_objects"] = delete_objects(db=db, blobs=blobs)
        counts["aborted_uploads"] = abort_abandoned(db=db, blobs=blobs)
        counts["deleted_accounts"] = go_on_deleting(db=db, blobs=blobs, now=now)
    return counts


def _heal(*, db: "Database") -> dict[str, int]:
    return {
        "adopted_runs": db.transact_as_system(tasks.adopt_runs),
        "expired_leases": _take_back_expired(db=db),
        "expired_uploads": db.transact_as_system(uploads.expire),
        "pruned_events": db.transact_as_system(outbox.prune),
        "pruned_runs": db.transact_as_system(tasks.prune_runs) + prune_runs(db=db),
        "stuck_runs": find_stuck(db=db),
        "pruned_deliveries": db.transact_as_system(deliveries.prune),
        "pruned_letters": db.transact_as_system(failures.prune_letters),
        "pruned_keys": db.transact_as_system(idempotency_keys.prune),
        "pruned_answers": db.transact_as_system(cache_entries.prune),
        "pruned_model_answers": db.transact_as_system(answers.prune),
        "coded_batches": code_vectors(db=db),
        "freed_budgets": db.transact_as_system(lambda tx: spending.free_expired(tx, limit=BATCH)),
    }


def reconcile_objects(*, db: "Database", blobs: "Blobs", before: datetime) -> int:
    """Register objects written before then whose event has not come: 20,000 keys a sweep, round and round.

    Their own events may still come, and find them known.
    """
    position = db.transact_as_system(lambda tx: sweeps.get_position(tx, CURSOR))
    found = 0
    for _ in range(LISTED_PER_SWEEP // 1000):
        listed = blobs.list_after(position, limit=1000)
        settled = [each for each in listed if each.written_at < before]
        found += _register_unknown(settled, db=db)
        position = listed[-1].key if len(listed) == 1000 else ""
        db.transact_as_system(lambda tx, p=position: sweeps.set_position(tx, CURSOR, p))  # type: ignore[misc]
        if not position:
            break
    return found


def delete_objects(*, db: "Database", blobs: "Blobs") -> int:
    """Remove the objects of deleted items from S3; return how many are settled."""
    objects = db.transact_as_system(lambda tx: uploads.list_deletions(tx, limit=1000))
    gone = blobs.delete(objects)
    kept = sorted(objects.keys() - set(gone))

    def settle(tx: Tx) -> None:
        uploads.delete_deletions(tx, gone)
        uploads.postpone_deletions(tx, kept)

    if objects:
        db.transact_as_system(settle)
    return len(gone)


def _take_back_expired(*, db: "Database") -> int:
    def step(tx: Tx) -> int:
        expired = tasks.list_expired(tx, limit=BATCH)
        take_back(tx, expired)
        return len(expired)

    total = count = db.transact_as_system(step)
    while count == BATCH:
        count = db.transact_as_system(step)
        total += count
    return total


def _register_unknown(listed: "list[StoredObject]", *, db: "Database") -> int:
    known = db.transact_as_system(lambda tx: uploads.list_known(tx, [found.key for found in listed]))
    count = 0
    for found in listed:
        if found.key.startswith(DERIVED_PREFIX) or known.get(found.key) == found.etag:
            continue
        try:
            # S3 lists whole seconds. Minutes later, an object of the second of its deletion is the deleted one.
            written_at = found.written_at - timedelta(seconds=1)
            arrival = Arrival(key=parse_key(found.key), etag=found.etag, written_at=written_at)
            count += register_arrival(arrival, db=db)[1]
        except Unavailable:
            raise
        except CollectionsError as error:
            # Nobody's object, or one that cannot be an item: the others are not to wait for it.
            log.warning("object left alone", extra={"key": found.key, "error": error.code})
    return count
