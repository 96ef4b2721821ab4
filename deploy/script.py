"""Parts that the scripts of this folder share: flags, questions, and messages about what is missing."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


class Stopped(Exception):
    """The script cannot go on; the message says what is missing and how to get it."""


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def told() -> Iterator[None]:
    """Print what stopped the script, in plain words, and exit with 1."""
    try:
        yield
    except Stopped as error:
        sys.exit(f"Stopped: {error}")
    except (NoCredentialsError, NoRegionError, ClientError, BotoCoreError) as error:
        sys.exit(f"Stopped: {reason(error)}")
    except KeyboardInterrupt:
        sys.exit("Stopped by you. Run it again to go on.")


def reason(error: Exception) -> str:
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials. Run aws configure, or set AWS_PROFILE."
    if isinstance(error, NoRegionError):
        return "no region is chosen. Set AWS_DEFAULT_REGION, or run aws configure."
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if code in EXPIRED:
        return "AWS does not accept these credentials: they are wrong or have expired."
    if code in DENIED:
        return (
            f"these credentials have not the right: {error}. docs/deploying.md lists what a deployer needs."
        )
    return str(error)


def account() -> str:
    """Return the account of the credentials; they and the region are there."""
    session = boto3.Session()
    if session.region_name is None:
        raise NoRegionError
    identity: str = boto3.client("sts").get_caller_identity()["Account"]
    return identity


def ask(question: str, *, default: str = "", secret: bool = False) -> str:
    """Return what the person at the terminal answers; the default without a terminal, or for an empty answer."""
    if not sys.stdin.isatty():
        return default
    prompt = f"{question} [{default}]: " if default else f"{question}: "
    answer = getpass.getpass(prompt) if secret else input(prompt)
    return answer.strip() or default


def put_secret(ssm: Any, path: str, name: str, value: str) -> None:
    ssm.put_parameter(Name=f"{path}/{name}", Value=value, Type="SecureString", Overwrite=True)


def parameters(ssm: Any, path: str) -> dict[str, str]:
    """Return the parameters under a path, by name."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=True)
    return {
        each["Name"].removeprefix(f"{path}/"): each["Value"] for page in pages for each in page["Parameters"]
    }
