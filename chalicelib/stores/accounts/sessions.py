"""Sessions: one DynamoDB row each. The user is the hash key, so that one query reads all of a user's sessions.

    user_id (S, hash)  id (S, range: sorts by when it was made)
    refresh_sha256 (S) of the only refresh token that is good now
    created_at, last_used_at, expires_at (N, seconds since 1970)
    user_agent, address (S)

DynamoDB deletes a row some time after `expires_at`. Until then the row is ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError
from msgspec.structs import fields

from chalicelib.model.accounts.sessions import Session
from chalicelib.stores.aws.dynamodb import Presence, refused_item

_NUMBERS = {"created_at", "last_used_at", "expires_at"}
_ROTATE = "SET refresh_sha256 = :new, last_used_at = :now, expires_at = :expires_at"


class Sessions:
    """The sessions of one table.

    Every method raises Unavailable while DynamoDB is not available, so that nobody gets in.
    """

    def __init__(self, client: Any, *, table: str, presence: Presence) -> None:
        self._dynamodb = client
        self._table = table
        self._presence = presence

    def insert(self, session: Session) -> None:
        with self._presence.asked():
            self._dynamodb.put_item(TableName=self._table, Item=_item(session))

    def find(self, user_id: str, session_id: str, *, now_s: int) -> Session | None:
        """Return the session unless it has expired. The read is consistent: a deleted session is never found."""
        with self._presence.asked():
            answer = self._dynamodb.get_item(
                TableName=self._table, Key=_key(user_id, session_id), ConsistentRead=True
            )
        found = _session(answer["Item"]) if "Item" in answer else None
        return found if found and found.expires_at > now_s else None

    def list_live(self, user_id: str, *, before: str | None, now_s: int) -> Iterator[Session]:
        """Return a user's unexpired sessions older than the id `before`, newest first, read consistently."""
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "user_id = :user_id",
            "ExpressionAttributeValues": {":user_id": {"S": user_id}},
            "ConsistentRead": True,
            "ScanIndexForward": False,
        }
        start = _key(user_id, before) if before else None
        while True:
            with self._presence.asked():
                answer = self._dynamodb.query(**request, **({"ExclusiveStartKey": start} if start else {}))
            found = map(_session, answer["Items"])
            yield from (session for session in found if session.expires_at > now_s)
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return

    def delete(self, user_id: str, session_id: str) -> None:
        with self._presence.asked():
            self._dynamodb.delete_item(TableName=self._table, Key=_key(user_id, session_id))

    def rotate(
        self,
        user_id: str,
        session_id: str,
        *,
        old_sha256: str,
        new_sha256: str,
        now_s: int,
        expires_at: int,
    ) -> str:
        """Replace the old refresh token by the new one. Return "rotated", "reused" or "missing".

        It is one UpdateItem, so that only one of several refreshes with the same token succeeds. Its condition:
        refresh_sha256 = :old   the token is the valid one. Condition and write are one step, so the first writer
                                makes it false for all others. It is also false for a missing row, so a refresh
                                never restores a deleted session.
        expires_at > :now       a row may exist long after its end.
        If the condition fails, the response has the row. No row, or an expired one, means "missing". A row with our
        own :new means that botocore repeated a write that had succeeded: "rotated". Any other row means that the
        token was used before, by its owner or by a thief.
        """
        values = {":old": {"S": old_sha256}, ":new": {"S": new_sha256}, ":now": {"N": str(now_s)}}
        values |= {":expires_at": {"N": str(expires_at)}}
        with self._presence.asked():
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(user_id, session_id),
                    UpdateExpression=_ROTATE,
                    ConditionExpression="refresh_sha256 = :old AND expires_at > :now",
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                row = refused_item(error)
                if row is None:
                    raise
                return _refusal(row, new_sha256, now_s)
        return "rotated"


def _refusal(row: Mapping[str, Any], new_sha256: str, now_s: int) -> str:
    if not row or int(row["expires_at"]["N"]) <= now_s:
        return "missing"
    return "rotated" if row["refresh_sha256"]["S"] == new_sha256 else "reused"


def _key(user_id: str, session_id: str) -> dict[str, Any]:
    return {"user_id": {"S": user_id}, "id": {"S": session_id}}


def _item(session: Session) -> dict[str, Any]:
    kinds = {field.name: "N" if field.name in _NUMBERS else "S" for field in fields(session)}
    return {name: {kind: str(getattr(session, name))} for name, kind in kinds.items()}


def _session(item: Mapping[str, Any]) -> Session:
    values: dict[str, Any] = {field.name: next(iter(item[field.name].values())) for field in fields(Session)}
    return Session(**values | {name: int(values[name]) for name in _NUMBERS})
