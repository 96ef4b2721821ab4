"""Objects that are expected or were seen in the bucket, and objects that are to be deleted from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.ingest.uploads import AnnouncedBytes, StoredUpload
from chalicelib.model.library.items import ItemRef, ObjectKey
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(
    tx: Tx, key: ObjectKey, *, content_type: str | None, size_bytes: int, sha256: str | None, ttl_s: int
) -> StoredUpload:
    """Insert an announced upload. Announced again, the same upload gets a new expiry."""
    return tx.rows(
        StoredUpload,
        SQL["insert"],
        user_id=key.user_id,
        key=key.key,
        filename=key.name,
        content_type=content_type,
        size_bytes=size_bytes,
        sha256=sha256,
        ttl_s=ttl_s,
    )[0]


def find(tx: Tx, user_id: str, upload_id: str) -> StoredUpload | None:
    """Return the upload. Raise NotFound when `upload_id` is no UUID."""
    upload_id = checked_uuid(upload_id, _missing())
    return tx.row(StoredUpload, SQL["find"], user_id=user_id, id=upload_id)


def get(tx: Tx, user_id: str, upload_id: str) -> StoredUpload:
    """Return the upload. Raise NotFound."""
    upload = find(tx, user_id, upload_id)
    if upload is None:
        raise _missing()
    return upload


def _missing() -> NotFound:
    return NotFound("There is no such upload.")


def set_multipart(tx: Tx, user_id: str, upload_id: str, multipart_id: str) -> str:
    """Store S3's id of an upload in parts, unless one is stored already. Return the stored id."""
    return str(
        tx.all(SQL["set_multipart"], user_id=user_id, id=upload_id, multipart_id=multipart_id)[0]["kept"]
    )


def clear_multipart(tx: Tx, user_id: str, upload_id: str) -> None:
    """Delete S3's id of the upload in parts, whose parts are an object now."""
    tx.run(SQL["clear_multipart"], user_id=user_id, id=upload_id)


def extend(tx: Tx, user_id: str, upload_id: str, *, ttl_s: int) -> None:
    """Set a pending upload's expiry to `ttl_s` from now. Raise NotFound when `upload_id` is no UUID."""
    upload_id = checked_uuid(upload_id, _missing())
    tx.run(SQL["extend"], user_id=user_id, id=upload_id, ttl_s=ttl_s)


def delete_awaited(tx: Tx, user_id: str, upload_id: str) -> bool:
    """Delete an upload, unless it has arrived. Return whether it was deleted."""
    return tx.run(SQL["delete_awaited"], user_id=user_id, id=upload_id) > 0


def take_abandoned(tx: Tx, *, limit: int) -> list[tuple[str, str]]:
    """Delete the ids of expired uploads in parts, and return (key, id) of each. System transaction."""
    return [(row["key"], row["multipart_id"]) for row in tx.all(SQL["take_abandoned"], limit=limit)]


def lock(tx: Tx, key: ObjectKey) -> StoredUpload:
    """Return the upload of this key, locked until the transaction ends. Make it if it was not announced."""
    return tx.rows(StoredUpload, SQL["lock"], user_id=key.user_id, key=key.key, filename=key.name)[0]


def set_received(
    tx: Tx, ref: ItemRef, *, key: str, etag: str | None, sequencer: str | None
) -> AnnouncedBytes:
    """Assign the object to this item. Return what was announced for its bytes."""
    values = {
        "user_id": ref.user_id,
        "item_id": ref.item_id,
        "key": key,
        "etag": etag,
        "sequencer": sequencer,
    }
    return tx.rows(AnnouncedBytes, SQL["set_received"], **values)[0]


def move_to_item(tx: Tx, duplicate: ItemRef, original_id: str) -> None:
    """Assign the duplicate's objects to the original."""
    tx.run(SQL["move_to_item"], user_id=duplicate.user_id, from_item=duplicate.item_id, to_item=original_id)


def detach(tx: Tx, key: ObjectKey) -> None:
    """Take the object away from its item."""
    tx.run(SQL["detach"], user_id=key.user_id, key=key.key)


def list_objects(tx: Tx, ref: ItemRef) -> dict[str, str | None]:
    """Return the item's objects, oldest first: key to etag."""
    found = tx.all(SQL["list_objects"], user_id=ref.user_id, item_id=ref.item_id)
    return {row["key"]: row["etag"] for row in found}


def list_known(tx: Tx, keys: Sequence[str]) -> dict[str, str | None]:
    """Return those of the keys whose object has arrived, with the etag seen. System transaction."""
    return {row["key"]: row["etag"] for row in tx.all(SQL["list_known"], keys=list(keys))}


def expire(tx: Tx) -> int:
    return tx.run(SQL["expire"])


def insert_deletions(
    tx: Tx, user_id: str, objects: Mapping[str, str | None], *, after_s: float = 0.0
) -> None:
    """Insert objects to delete from S3: key to etag, None for any.

    Call it in the transaction that forgets the objects.
    """
    if objects:
        values = {"keys": list(objects), "etags": list(objects.values())}
        tx.run(SQL["insert_deletions"], user_id=user_id, after_s=after_s, **values)


def is_deleted(tx: Tx, key: ObjectKey, *, etag: str | None, written_at: datetime | None) -> bool:
    """Return whether this object is to be deleted.

    Cancel a deletion that was meant for an earlier object of this key.
    """
    tx.run(SQL["cancel_deletion"], user_id=key.user_id, key=key.key, etag=etag, written_at=written_at)
    return tx.one(SQL["is_deleted"], user_id=key.user_id, key=key.key) is not None


def list_deletions(tx: Tx, *, limit: int) -> dict[str, str | None]:
    """Return objects whose deletion is due: key to etag."""
    return {row["key"]: row["etag"] for row in tx.all(SQL["list_deletions"], limit=limit)}


def delete_deletions(tx: Tx, keys: Sequence[str]) -> None:
    tx.run(SQL["delete_deletions"], keys=list(keys))


def postpone_deletions(tx: Tx, keys: Sequence[str]) -> None:
    """Postpone deletions that S3 refused: by one minute, then two, four and so on, at most an hour."""
    tx.run(SQL["postpone_deletions"], keys=list(keys))
