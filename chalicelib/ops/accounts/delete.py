"""Deletes an account: credentials and work at once, rows and objects in the sweeps that follow."""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import NotFound
from chalicelib.model.accounts.deletions import OpenDeletion, Receipt
from chalicelib.model.ids import checked_uuid
from chalicelib.model.library.items import DERIVED_PREFIX
from chalicelib.ops.accounts.sessions import end_all
from chalicelib.stores.accounts import deletions

if TYPE_CHECKING:
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.deletion")
ACCOUNTS_PER_SWEEP = 10
ITEMS_PER_TRANSACTION = 5  # one may have 2,000 pages
ITEMS_PER_SWEEP = 500
PAGES_PER_SWEEP = 20  # of 1,000 versions of objects
# Upload forms are good for 15 minutes, and a worker ends within 15: later nothing can write an object of this user.
SETTLED_AFTER = timedelta(hours=1)


def begin_deletion(
    user_id: str, receipt_id: str, *, now_s: int, db: "Database", sessions: "Sessions"
) -> Receipt:
    """End the account: no credential is good from now on, and no work goes on. Raise NotFound without an account.

    Sessions are ended before and after. While DynamoDB is away the first step fails, nothing changes, and the user can
    try again. A session that is left over has no account, and DynamoDB deletes it when it expires.
    """
    count = sum(1 for _ in sessions.list_live(user_id, before=None, now_s=now_s))
    end_all(user_id, now_s=now_s, sessions=sessions)
    if not db.transact(user_id, lambda tx: deletions.begin(tx, receipt_id, session_count=count)):
        raise NotFound("This user has no account.", code="no_account")
    end_all(user_id, now_s=now_s, sessions=sessions)
    log.info("account deletion begun", extra={"deletion_id": receipt_id})
    return read_receipt(receipt_id, db=db)


def read_receipt(receipt_id: str, *, db: "Database") -> Receipt:
    """Return the receipt. Raise NotFound."""
    missing = NotFound("There is no such deletion.", code="no_deletion")
    known = checked_uuid(receipt_id, missing)
    found = db.transact_as_gatekeeper(lambda tx: deletions.find(tx, known))
    if found is None:
        raise missing
    return found


def go_on_deleting(*, db: "Database", blobs: "Blobs", now: datetime) -> int:
    """Delete rows and objects of accounts whose deletion has begun; return how many deletions have finished.

    Every step may be repeated: what is deleted is not found again.
    """
    opened = db.transact_as_system(lambda tx: deletions.list_open(tx, limit=ACCOUNTS_PER_SWEEP))
    return sum(_go_on(each, db=db, blobs=blobs, now=now) for each in opened)


def _go_on(deletion: OpenDeletion, *, db: "Database", blobs: "Blobs", now: datetime) -> bool:
    if not _delete_rows(deletion.id, db=db):
        return False
    for prefix in (f"{deletion.user_id}/", f"{DERIVED_PREFIX}{deletion.user_id}/"):
        if not _delete_objects(deletion.id, prefix, db=db, blobs=blobs):
            return False
    if now < deletion.requested_at + SETTLED_AFTER:
        return False
    db.transact_as_system(lambda tx: deletions.finish(tx, deletion.id))
    log.info("account deletion finished", extra={"deletion_id": deletion.id})
    return True


def _delete_rows(receipt_id: str, *, db: "Database") -> bool:
    """Return True when no row is left."""
    for _ in range(ITEMS_PER_SWEEP // ITEMS_PER_TRANSACTION):
        deleted = db.transact_as_system(
            lambda tx: deletions.delete_rows(tx, receipt_id, limit=ITEMS_PER_TRANSACTION)
        )
        if deleted == 0:
            return True
    return False


def _delete_objects(receipt_id: str, prefix: str, *, db: "Database", blobs: "Blobs") -> bool:
    """Return True when no version of an object, and no upload in parts, is left below the prefix."""
    for _ in range(PAGES_PER_SWEEP):
        count = blobs.delete_versions(prefix)
        if count == 0:
            return True
        db.transact_as_system(lambda tx, n=count: deletions.count_objects(tx, receipt_id, n))  # type: ignore[misc]
    return False
