"""Objects we expect or have seen in the bucket, and those that are still to be removed from it."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.items import ObjectKey
from chalicelib.model.pipeline import ItemRef
from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def insert(
    tx: Tx, key: ObjectKey, *, content_type: str, size_bytes: int, sha256: str | None, ttl_s: int
) -> Row:
    return tx.all(
        SQL["insert"],
        user_id=key.user_id,
        key=key.key,
        filename=key.name,
        content_type=content_type,
        size_bytes=size_bytes,
        sha256=sha256,
        ttl_s=ttl_s,
    )[0]


def get(tx: Tx, user_id: str, upload_id: str) -> Row:
    row = tx.one(SQL["find"], user_id=user_id, id=upload_id)
    if row is None:
        raise NotFound("There is no such upload.")
    return row


def lock(tx: Tx, key: ObjectKey) -> Row:
    """The upload of this key, made when nobody announced it, locked until the transaction ends."""
    tx.run(SQL["ensure"], user_id=key.user_id, key=key.key, filename=key.name)
    row = tx.one(SQL["lock_by_key"], user_id=key.user_id, key=key.key)
    assert row is not None
    return row


def set_received(tx: Tx, ref: ItemRef, *, key: str, etag: str | None, sequencer: str | None) -> str | None:
    """The object is this item's; answers the SHA-256 announced for its bytes, None when none was."""
    values = {
        "user_id": ref.user_id,
        "item_id": ref.item_id,
        "key": key,
        "etag": etag,
        "sequencer": sequencer,
    }
    return tx.all(SQL["set_received"], **values)[0]["sha256"]


def move_to_item(tx: Tx, duplicate: ItemRef, original_id: str) -> None:
    """The duplicate's objects belong to the original from now on."""
    tx.run(SQL["move_to_item"], user_id=duplicate.user_id, from_item=duplicate.item_id, to_item=original_id)


def detach(tx: Tx, key: ObjectKey) -> None:
    """The object is no item's for now."""
    tx.run(SQL["detach"], user_id=key.user_id, key=key.key)


def list_keys(tx: Tx, ref: ItemRef) -> list[str]:
    return [row["key"] for row in tx.all(SQL["list_keys"], user_id=ref.user_id, item_id=ref.item_id)]


def list_known(tx: Tx, keys: Sequence[str]) -> dict[str, str | None]:
    """Of these keys the ones that have arrived, with the etag seen. System transaction."""
    return {row["key"]: row["etag"] for row in tx.all(SQL["list_known"], keys=list(keys))}


def expire(tx: Tx) -> int:
    return tx.run(SQL["expire"])


def insert_deletions(tx: Tx, user_id: str, keys: Sequence[str]) -> None:
    """Remember objects to remove, in the transaction that deletes their item."""
    tx.run(SQL["insert_deletions"], user_id=user_id, keys=list(keys))


def is_deleted(tx: Tx, key: ObjectKey, *, written_at: datetime | None) -> bool:
    """Whether this object belongs to a deleted item; one written since then does not."""
    if written_at is not None:
        tx.run(SQL["cancel_deletion"], user_id=key.user_id, key=key.key, written_at=written_at)
    return tx.one(SQL["is_deleted"], user_id=key.user_id, key=key.key) is not None


def list_deletions(tx: Tx, *, limit: int) -> list[str]:
    return [row["key"] for row in tx.all(SQL["list_deletions"], limit=limit)]


def delete_deletions(tx: Tx, keys: Sequence[str]) -> None:
    tx.run(SQL["delete_deletions"], keys=list(keys))
