"""Functions for the local stack's tests. Each adds a line to the file LOG each time it starts on an event."""

import os
import time


def _log(text):
    with open(os.environ["LOG"], "a") as file:
        file.write(text + "\n")


def succeed(event, context):
    _log(context.aws_request_id)
    return {
        "echo": event,
        "name": context.function_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }


def fail(event, context):
    _log(context.aws_request_id)
    raise ValueError("no luck")


def hang_once(event, context):
    first = not os.path.exists(os.environ["LOG"])
    _log(str(os.getpid()))
    if first:
        time.sleep(60)


def fail_once(event, context):
    first = not os.path.exists(os.environ["LOG"])
    _log(event["Records"][0]["body"])
    if first:
        raise ValueError("not yet")
