"""Sets the dead-letter queue as the failure destination of a deployed stage's functions.

    python -m deploy.failure_destinations --stage dev [--app collections] [--queue collections-dev-dead-letters]

`chalice deploy` has no setting for this. Run this after each deploy; running it again changes nothing.
Each function's role must be allowed sqs:SendMessage on the queue.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import boto3

from deploy.policies import DEAD_LETTERS, queue_name

RETRIES = 2
MAX_EVENT_AGE_S = 3600


def set_failure_destinations(aws_lambda: Any, sqs: Any, *, app: str, stage: str, queue: str) -> list[str]:
    """Give every event-driven function of the stage two retries and the queue. Return the functions' names."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    names = list(_event_driven_functions(aws_lambda, prefix=f"{app}-{stage}-"))
    for name in names:
        aws_lambda.put_function_event_invoke_config(
            FunctionName=name,
            MaximumRetryAttempts=RETRIES,
            MaximumEventAgeInSeconds=MAX_EVENT_AGE_S,
            DestinationConfig={"OnFailure": {"Destination": arn}},
        )
    return names


def _event_driven_functions(aws_lambda: Any, *, prefix: str) -> Iterator[str]:
    """Yield the names of the stage's functions, without those that poll a queue and without the API's function.

    The API's function has no name after the dash of the prefix.
    """
    for page in aws_lambda.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = function["FunctionName"]
            # Names of functions have no dash: what has one belongs to another stage, such as dev-x beside dev.
            if name.startswith(prefix) and "-" not in name.removeprefix(prefix):
                mappings = aws_lambda.list_event_source_mappings(FunctionName=function["FunctionArn"])
                if not mappings["EventSourceMappings"]:
                    yield name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", required=True)
    parser.add_argument("--app", default="collections")
    parser.add_argument("--queue", help="its dead-letter queue; by default the stage's own")
    arguments = parser.parse_args()
    queue = arguments.queue or queue_name(arguments.stage, DEAD_LETTERS)
    names = set_failure_destinations(
        boto3.client("lambda"),
        boto3.client("sqs"),
        app=arguments.app,
        stage=arguments.stage,
        queue=queue,
    )
    print(f"failures go to {queue}: {', '.join(names) or 'no functions found'}")


if __name__ == "__main__":
    main()
