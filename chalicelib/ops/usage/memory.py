"""Give a user the answer again that a model gave to the same request: it costs nothing, and says so.

The key has who is asked and all that is sent, so that another model, prompt, picture or passage is another request.
Answers are kept for a week, and no longer than the item they are about. Nothing is kept of models of one's own, which
cost nothing, nor of vectors, which cost less than the room they take.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.model.usage.usage import Owner, Usage
from chalicelib.stores.usage import answers

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database


class Memory:
    """The answers that one owner's calls may be given again."""

    def __init__(self, owner: Owner, *, db: "Database") -> None:
        self._owner, self._db = owner, db

    def recall(self, asked: Sequence[Usage], request: Sequence[Any]) -> Any:
        """Return the answer to this request, as it was given to remember; None if there is none."""
        if not _costs(asked):
            return None
        user_id, key = self._owner.user_id, _key(asked, request)
        found = self._db.transact(user_id, lambda tx: answers.find(tx, user_id, key))
        return None if found is None else msgspec.json.decode(found)

    def remember(self, asked: Sequence[Usage], request: Sequence[Any], answer: Any) -> None:
        """Keep the answer to this request."""
        if not _costs(asked):
            return
        user_id, item_id = self._owner.user_id, self._owner.item_id
        key, encoded = _key(asked, request), msgspec.json.encode(answer)
        self._db.transact(user_id, lambda tx: answers.upsert(tx, user_id, key, encoded, item_id=item_id))


def _costs(asked: Sequence[Usage]) -> bool:
    return any(not each.is_local for each in asked)


def _key(asked: Sequence[Usage], request: Sequence[Any]) -> bytes:
    return sha256(msgspec.json.encode([asked, request])).digest()
