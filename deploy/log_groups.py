"""Looks after the functions' log groups of `chalice deploy`, which keeps one of them for ever and deletes none.

Chalice names the group of the API's function after a name that this function has not, so that Lambda makes the real one
itself, without a retention. `chalice delete` takes the retention off all groups and leaves them.
"""

from contextlib import suppress
from typing import Any

from deploy.policies import CONFIG, functions_of, lambda_name


def group_of(function: str, stage: str) -> str:
    return f"/aws/lambda/{lambda_name(function, stage)}"


def limit_api_logs(logs: Any, stage: str) -> None:
    """Give the log group of the API's function the stage's retention. Doing it again changes nothing."""
    name = group_of("api_handler", stage)
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(
        logGroupName=name, retentionInDays=CONFIG["stages"][stage]["log_retention_in_days"]
    )


def delete_logs(logs: Any, stage: str) -> None:
    """Delete the functions' log groups, also the one that Chalice made for a function that is not there."""
    of_chalice = f"/aws/lambda/{CONFIG['app_name']}-{stage}-api_handler"
    for name in [*(group_of(function, stage) for function in functions_of(stage)), of_chalice]:
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=name)
