"""Translates the errors of S3 into those of this app."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of S3 calls in the block as InvalidInput, NotFound, Conflict, Misconfigured or Unavailable."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("InvalidPart", "EntityTooSmall"):
            raise errors.InvalidInput(
                "parts has an etag that S3 does not have; send that part again.", field="parts"
            ) from error
        if code in ("NoSuchKey", "NoSuchUpload", "404"):
            raise errors.NotFound("The object is gone.", code="object_missing") from error
        if code in ("PreconditionFailed", "412"):
            raise errors.Conflict("The object has other bytes now.") from error
        if code in ("AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"):
            raise errors.Misconfigured(f"S3 refused: {code}.", code="s3_refused") from error
        raise errors.Unavailable(
            "The file store is not available; try again soon.", code="s3_unavailable"
        ) from error
    except BotoCoreError as error:
        raise errors.Unavailable(
            "The file store is not available; try again soon.", code="s3_unavailable"
        ) from error
