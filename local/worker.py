"""Runs one function's handler in a worker process, on events from the Lambda Runtime API.

Run `python -P -m local.worker`; its settings are the environment variables that Lambda sets. It replaces AWS' own
client, awslambdaric, which has no wheels for macOS and accepts no path in the API's address.
"""

import http.client
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from local.parent_watch import die_with_parent
from local.priority import Turns

Handler = Callable[[Any, "Context"], Any]


class Context:
    """The context that Lambda passes to a handler together with the event."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name = "local"
        self.identity = None
        self.client_context = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))


class Runtime:
    """A client of the Runtime API, on one connection."""

    def __init__(self, address: str) -> None:
        host, _, prefix = address.partition("/")
        self._connection = http.client.HTTPConnection(host)
        self._path = f"/{prefix}/2018-06-01/runtime"

    def next(self) -> tuple[Any, Context]:
        """Wait for an event and return it with its context. Exit the process if the API has no more events."""
        self._connection.request("GET", f"{self._path}/invocation/next")
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            sys.exit(0)
        return json.loads(body), Context(response.headers)

    def post(self, path: str, body: str) -> None:
        self._connection.request(
            "POST", self._path + path, body.encode(), {"Content-Type": "application/json"}
        )
        self._connection.getresponse().read()


def load_handler(name: str) -> Handler:
    module, _, attribute = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def describe(error: BaseException) -> str:
    return json.dumps(
        {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
    )


def main() -> None:
    """Handle events until the parent process ends. An error of a handler is posted, and the next event follows."""
    die_with_parent()
    runtime = Runtime(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        turns = Turns(load_handler(os.environ["_HANDLER"]))
    except Exception as error:  # noqa: BLE001  Lambda reports every error of an import
        traceback.print_exc()
        runtime.post("/init/error", describe(error))
        sys.exit(1)
    while True:
        event, context = runtime.next()
        try:
            answer = json.dumps(turns.call(event, context))
        except Exception as error:  # noqa: BLE001  and every error of a handler
            traceback.print_exc()
            runtime.post(f"/invocation/{context.aws_request_id}/error", describe(error))
        else:
            runtime.post(f"/invocation/{context.aws_request_id}/response", answer)


if __name__ == "__main__":
    main()
