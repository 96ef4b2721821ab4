"""Creates in the emulator the resources that the application needs before it is deployed: bucket, queue, tables."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3

from chalicelib.model.work.tasks import QUEUES
from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, SESSIONS_KEY, TTL_ATTRIBUTE, definition
from deploy.policies import DEAD_LETTERS, queue_name
from deploy.queues import attributes, redrive_policy
from local.layout import ACCOUNT, REGION, aws_environment


@cache
def client(service: str, aws_port: int) -> Any:
    """Return a boto3 client of the emulator on this port. It is cached: making one takes longer than most calls."""
    environment = aws_environment(aws_port)
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def create_base(settings: Mapping[str, str], *, aws_port: int) -> None:
    """Create the resources that the stage's `settings` name, in an emulator that has none of them."""
    create_bucket(settings["IMAGES_BUCKET"], aws_port=aws_port)
    create_queues(settings["ENVIRONMENT"], aws_port=aws_port)
    create_tables(settings, aws_port=aws_port)


def create_queues(stage: str, *, aws_port: int) -> None:
    """Create the queues of work, and the one of dead letters, as deploy/base.yaml has them."""
    dead_letters = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name(stage, DEAD_LETTERS)}"
    for queue in (DEAD_LETTERS, *QUEUES):
        given = {name: str(value) for name, value in attributes(queue).items()}
        if queue != DEAD_LETTERS:
            given["RedrivePolicy"] = json.dumps(redrive_policy(queue, dead_letters))
        client("sqs", aws_port).create_queue(QueueName=queue_name(stage, queue), Attributes=given)


def create_tables(settings: Mapping[str, str], *, aws_port: int) -> None:
    """Create the tables of expiring rows, as the application reads them."""
    dynamodb = client("dynamodb", aws_port)
    for name, key in (("SESSIONS_TABLE", SESSIONS_KEY), ("RATE_LIMITS_TABLE", RATE_LIMITS_KEY)):
        dynamodb.create_table(**definition(settings[name], key))
        ttl = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
        dynamodb.update_time_to_live(TableName=settings[name], TimeToLiveSpecification=ttl)


def create_bucket(bucket: str, *, aws_port: int) -> None:
    """Create a bucket that sends EventBridge its events, and shows browsers the etags of parts."""
    s3 = client("s3", aws_port)
    s3.create_bucket(Bucket=bucket)
    rule = {"AllowedMethods": ["GET", "POST", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    cors = {"CORSRules": [{**rule, "ExposeHeaders": ["ETag"]}]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
