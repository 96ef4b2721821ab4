"""DynamoDB: sessions and rate limits live here. How its tables are keyed, and its errors as ours."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors

# The hash key and, where there is one, the range key; all of them strings.
SESSIONS_KEY = ("user_id", "id")
RATE_LIMITS_KEY = ("id",)
TTL_ATTRIBUTE = "expires_at"


class Tables:
    """The tables there must be, by name with their keys."""

    def __init__(self, client: Any, keys: Mapping[str, Sequence[str]]) -> None:
        self._dynamodb = client
        self._keys = keys

    def require(self, name: str) -> None:
        """Raises Unavailable unless the table answers a read."""
        with translated():
            key = {attribute: {"S": "health"} for attribute in self._keys[name]}
            self._dynamodb.get_item(TableName=name, Key=key)


def definition(name: str, key: Sequence[str]) -> dict[str, Any]:
    """The table as CreateTable and CloudFormation want it."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
        "KeySchema": [
            {"AttributeName": attribute, "KeyType": kind}
            for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    }


def refused_item(error: ClientError) -> Mapping[str, Any] | None:
    """The item that a condition did not hold for, {} when there is none; None when it is another error.

    The write must have asked for it by ReturnValuesOnConditionCheckFailure.
    """
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    item: Mapping[str, Any] = error.response.get("Item") or {}
    return item


@contextmanager
def translated() -> Iterator[None]:
    """Raises Unavailable for what botocore raises."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise errors.Unavailable("DynamoDB is away; try again soon.", code="dynamodb_unavailable") from error
