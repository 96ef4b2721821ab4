"""Asks a deployed stage from outside whether it works: alive, ready, and strangers are kept out. Changes nothing.

python -m deploy.smoke --stage dev                      asks the address that the stage's stack or Chalice has
python -m deploy.smoke --stage dev --url https://…      asks this one
"""

import argparse
import json
import time
import urllib.error
import urllib.request
from typing import Any

import boto3

from deploy import by_chalice, by_cloudformation, stack
from deploy.policies import STAGES
from deploy.script import Stopped, say, told

# Path, and the status that it must have without a session.
ASKED = (("/health/live", 200), ("/health/ready", 200), ("/api/v1/registration", 200), ("/api/v1/items", 401))
PATIENCE_S = 60.0  # a database of dev may have to wake first


def ask(url: str) -> tuple[int, Any]:
    """Return an answer's status and its JSON."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def check(url: str, *, patience_s: float = PATIENCE_S) -> None:
    """Raise Stopped unless each path has its status before the patience ends; 503 means to try again."""
    give_up_at = time.monotonic() + patience_s
    for path, wanted in ASKED:
        status, body = ask(url + path)
        while status == 503 and time.monotonic() < give_up_at:
            time.sleep(2.0)
            status, body = ask(url + path)
        if status != wanted:
            raise Stopped(f"{url}{path} answers {status} and should {wanted}: {body}")
        say(f"{status} {path}")


def address(stage: str) -> str:
    cloudformation = boto3.client("cloudformation")
    if by_cloudformation.is_deployed(cloudformation, stage):
        return stack.outputs(cloudformation, by_cloudformation.stack_name(stage))["ApiEndpoint"]
    if by_chalice.is_deployed(stage):
        return by_chalice.deployed_api(stage)[1]
    raise Stopped(f"{stage} is not deployed.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], required=True)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    with told():
        check((arguments.url or address(arguments.stage)).rstrip("/"))


if __name__ == "__main__":
    main()
