"""DynamoDB: sessions and rate limits live here; so far only whether the tables answer is asked."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors


class Tables:
    def __init__(self, client: Any) -> None:
        self._dynamodb = client

    def require(self, name: str) -> None:
        """Raises Unavailable unless the table answers a read."""
        try:
            self._dynamodb.get_item(TableName=name, Key={"id": {"S": "health"}})
        except (ClientError, BotoCoreError) as error:
            raise errors.Unavailable(
                "DynamoDB is away; try again soon.", code="dynamodb_unavailable"
            ) from error
