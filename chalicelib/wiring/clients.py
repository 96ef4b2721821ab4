"""boto3's clients, each with the timeouts that its callers can wait."""

import os
from typing import Any

from chalicelib.wiring.once import once

# (connect, read) of one attempt of two: a request waits 10 s at most, the pipeline tries again by itself.
_TIMEOUTS_S = {
    "s3": (2, 4),
    "events": (1, 3),
    "sqs": (1, 2),
    "dynamodb": (1, 1),
    "sesv2": (1, 3),
    "ssm": (1, 2),
    "stepfunctions": (1, 4),
}


@once
def ssm() -> Any:
    return client("ssm")


@once
def sqs() -> Any:
    return client("sqs")


@once
def events() -> Any:
    return client("events")


@once
def stepfunctions() -> Any:
    return client("stepfunctions")


@once
def dynamodb() -> Any:
    return client("dynamodb")


def client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    connect_s, read_s = _TIMEOUTS_S[service]
    # Path-style and SigV4 presigning work on AWS and on the emulator alike.
    config = Config(
        connect_timeout=connect_s,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": 2},  # "max_attempts" would be one more
        # Two calls a request: checking what the stores themselves have written would be a fifth of their CPU.
        parameter_validation=service != "dynamodb",
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else None,
    )
    return boto3.client(service, config=config)
