"""Looks for the secrets of a run of the app in all that the run wrote down."""

import json
from collections.abc import Iterator
from typing import Any

from chalicelib.model.accounts.tokens import API_KEY_PREFIX
from tests.support.emulated import BUCKET, Emulated
from tests.support.world import World

# Fields of requests and answers whose values nobody else may see.
SECRET_FIELDS = {"password", "current_password", "token", "access_token", "refresh_token", "secret"}


def secrets_in(body: bytes) -> Iterator[str]:
    """Yield the secrets among the fields of a JSON body; nothing if it is no JSON."""
    try:
        read = json.loads(body)
    except ValueError:
        return
    yield from _secrets_of(read)


def _secrets_of(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _secrets_of(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str) and (name in SECRET_FIELDS or each.startswith(API_KEY_PREFIX)):
                yield each
            yield from _secrets_of(each)


def kept_by(world: World) -> dict[str, str]:
    """Return all that the run has left as text, by where it is: rows, DynamoDB's items, objects, messages, events."""
    tables = world.sql("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    kept = {name: str(world.sql(f"SELECT to_jsonb(t)::text FROM {name} t")) for (name,) in tables}
    return (
        kept
        | dict(_in_aws(world.aws))
        | {"messages": str(world.messages()), "events": str(world.published())}
    )


def _in_aws(aws: Emulated) -> Iterator[tuple[str, str]]:
    dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
    for table in dynamodb.list_tables()["TableNames"]:
        yield table, str(dynamodb.scan(TableName=table)["Items"])
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        body = s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
        yield found["Key"], body.decode(errors="replace")
