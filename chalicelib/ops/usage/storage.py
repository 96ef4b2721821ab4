"""Hold a user's storage to its limit: objects are counted from when they are announced."""

from collections.abc import Sequence

from chalicelib.errors import TooLarge
from chalicelib.model.library.items import ObjectKey
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.usage import storage


def require_storage(tx: Tx, key: ObjectKey, size_bytes: int, *, limit_bytes: int | None) -> None:
    """Raise TooLarge unless the user has room for this object. The caller announces it in the same transaction.

    An object that is announced again counts once.
    """
    left_bytes = room_for(tx, key.user_id, [key.key], limit_bytes=limit_bytes)
    if left_bytes is not None and limit_bytes is not None and size_bytes > left_bytes:
        raise storage_full(size_bytes, left_bytes, limit_bytes)


def room_for(tx: Tx, user_id: str, keys: Sequence[str], *, limit_bytes: int | None) -> int | None:
    """Return how many bytes are left for these objects, whatever was announced for them; None without a limit.

    Those who announce at the same time wait for each other here, so that together they stay within the limit.
    """
    if limit_bytes is None:
        return None
    storage.lock(tx, user_id)
    return max(0, limit_bytes - storage.sum_bytes(tx, user_id, except_keys=keys))


def storage_full(size_bytes: int, left_bytes: int, limit_bytes: int) -> TooLarge:
    """Return the error that says that there is no room for an object."""
    return TooLarge(
        f"Of your {limit_bytes:,} bytes of storage {left_bytes:,} are left, and this file has"
        f" {size_bytes:,}. Delete items, or ask the operator for more (STORAGE_GB).",
        code="storage_full",
        field="size_bytes",
    )
