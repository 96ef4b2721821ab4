"""Hold a user's storage to its limit: objects are counted from when they are announced."""

from chalicelib.errors import TooLarge
from chalicelib.model.library.items import ObjectKey
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import storage


def require_storage(tx: Tx, key: ObjectKey, size_bytes: int, *, limit_bytes: int | None) -> None:
    """Raise TooLarge unless the user has room for this object. The caller announces it in the same transaction.

    Those who announce at the same time wait for each other here, so that together they stay within the limit. An
    object that is announced again counts once.
    """
    if limit_bytes is None:
        return
    storage.lock(tx, key.user_id)
    left_bytes = limit_bytes - storage.sum_bytes(tx, key.user_id, except_key=key.key)
    if size_bytes > left_bytes:
        raise TooLarge(
            f"Of your {limit_bytes:,} bytes of storage {max(0, left_bytes):,} are left, and this file has"
            f" {size_bytes:,}. Delete items, or ask the operator for more (STORAGE_GB).",
            code="storage_full",
            field="size_bytes",
        )
