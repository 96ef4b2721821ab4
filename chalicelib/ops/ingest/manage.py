"""Deletes items, processes them again, and makes object keys for uploads."""

import re
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model.library.items import MAX_KEY_BYTES, DescribedItem, ItemRef, ObjectKey, parse_key
from chalicelib.ops.ingest.ingest import remove_item
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.ingest import uploads
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

DOWNLOAD_TTL_S = 3600
# Forms and XML change control characters in transit. S3 replaces ${filename} by the sent file's own name.
_NOT_IN_A_NAME = re.compile(r"[/\\\x01-\x1f\x7f]|\$(?=\{filename\})")
DELETE_TIMEOUT_S = 20.0  # taking 2,000 pages out of the index takes seconds; API Gateway waits 29


def object_key(user_id: str, folder: str, filename: str) -> ObjectKey:
    """Return the key a file of this name is uploaded to. Raise InvalidInput for a name that no object can have."""
    name = _NOT_IN_A_NAME.sub("_", filename)
    full = f"{user_id}/{folder}/{name}"
    if len(full.encode()) > MAX_KEY_BYTES or not name.strip("."):  # browsers take dots out of an address
        message = f"filename is too long (with its folder at most {MAX_KEY_BYTES} bytes), or has only dots."
        raise errors.InvalidInput(message, field="filename")
    return parse_key(full)


def delete_item(ref: ItemRef, *, db: "Database", blobs: "Blobs") -> None:
    """Delete the item, its index entries and its objects. The sweep deletes objects that S3 does not delete now."""

    removed: dict[str, str | None] = {}

    def remove(tx: Tx) -> None:
        if removed and items.find(tx, ref) is None:
            return  # a retry: the first commit succeeded, but its acknowledgement was lost
        item = items.lock(tx, ref)
        objects = {item.key: item.etag, **uploads.list_objects(tx, ref)}
        uploads.insert_deletions(tx, ref.user_id, objects)
        removed.update(objects | remove_item(tx, ref))

    db.transact(ref.user_id, remove, timeout_s=DELETE_TIMEOUT_S)
    try:
        gone = blobs.delete(removed)
    except errors.Unavailable:
        return
    db.transact(ref.user_id, lambda tx: uploads.delete_deletions(tx, gone))


def reprocess_item(ref: ItemRef, *, db: "Database", queues: "Queues") -> DescribedItem:
    """Process the item again from its stored object. A worker that has the old claim cannot write any more."""

    def restart(tx: Tx) -> DescribedItem:
        restart_item(tx, ref)
        return items.get_with_analysis(tx, ref)

    item = db.transact(ref.user_id, restart)
    wake_later(ref.user_id, db=db, queues=queues)
    return item


def restart_item(tx: Tx, ref: ItemRef) -> None:
    """Have the item processed again, in a transaction of its user. Raise NotFound."""
    item = items.lock(tx, ref)
    items.restart(tx, ref, key=item.key, name=item.name, etag=item.etag)
    tasks.delete_stages(tx, ref, ["analyze", "embed"])
    items.note(tx, ref, "reprocess", message="Asked for by the user.")
    tasks.reset(tx, ref, "process")
