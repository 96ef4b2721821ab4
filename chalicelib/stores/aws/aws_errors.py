"""Translates the errors of AWS services that either refuse a call or are away."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors


@contextmanager
def translated(
    service: str, *, code: str, refusals: Collection[str], but: str | None = None
) -> Iterator[None]:
    """Raise botocore's errors in the block as Misconfigured, with `code`_refused, or Unavailable, `code`_unavailable.

    `refusals` are the service's codes for what its operator has to mend. The error `but` means that there is nothing
    to do, and is dropped.
    """
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Code", "")
        if said in refusals:
            raise errors.Misconfigured(f"{service} refused: {said}.", code=f"{code}_refused") from error
        if said != but:
            raise errors.Unavailable(f"{service} is away.", code=f"{code}_unavailable") from error
    except BotoCoreError as error:
        raise errors.Unavailable(f"{service} is away.", code=f"{code}_unavailable") from error
