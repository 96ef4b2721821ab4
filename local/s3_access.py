"""Checks presigned URLs and browsers' POST forms as S3 does.

Signatures are checked with the secret of the local stack, so that a link made for one key, type or method does not
work for another. The rules and messages are those of the S3 API reference, "Authenticating Requests (AWS Signature
Version 4)", query parameters and browser-based uploads using POST.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

SECRET_KEY = "local"


class Refused(Exception):
    """A request that S3 refuses, with the HTTP status, error code and message of its response."""

    def __init__(self, code: str, message: str, *, status: int = 403, **fields: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


def check_presigned_url(
    *, method: str, raw_path: str, query: str, headers: Mapping[str, str], now: datetime
) -> None:
    """Raise Refused unless the URL has a signature of version 4 for this request that has not expired.

    `raw_path` is percent-encoded, as it was sent. The names in `headers` are in lower case.
    """
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if "X-Amz-Signature" not in parameters:
        _refuse_version_2(parameters, now)
        raise Refused("AccessDenied", "Access Denied")
    signed_at = _parse_time(parameters.get("X-Amz-Date", ""))
    lifetime_s = int(parameters.get("X-Amz-Expires", "0"))
    if not 0 < lifetime_s <= 604800:
        raise Refused(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
            "less than 604800 seconds",
            status=400,
        )
    if now.timestamp() > signed_at.timestamp() + lifetime_s:
        raise Refused("AccessDenied", "Request has expired", ServerTime=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    names = parameters.get("X-Amz-SignedHeaders", "").split(";")
    canonical = "\n".join(
        [
            method,
            raw_path,
            "&".join(
                sorted(
                    f"{quote(k, safe='~')}={quote(v, safe='~')}"
                    for k, v in parameters.items()
                    if k != "X-Amz-Signature"
                )
            ),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = parameters.get("X-Amz-Credential", "").partition("/")[2]
    text = "\n".join(
        ["AWS4-HMAC-SHA256", parameters["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    _check_signature(text, scope=scope, signature=parameters["X-Amz-Signature"])


def _refuse_version_2(parameters: Mapping[str, str], now: datetime) -> None:
    """Raise Refused for a link with a signature of version 2, boto3's default in us-east-1.

    Newer regions refuse these links.
    """
    if "Signature" in parameters and "Expires" in parameters:
        if now.timestamp() > int(parameters["Expires"]):
            raise Refused("AccessDenied", "Request has expired")
        raise Refused(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            status=400,
        )


def check_post_form(*, bucket: str, fields: Mapping[str, str], size_bytes: int, now: datetime) -> None:
    """Raise Refused unless the form has a signed policy that has not expired, and meets all its conditions.

    `fields` are the form's fields without the file. `size_bytes` is the size of the file.
    """
    form = {name.lower(): value for name, value in fields.items()}
    if not {"policy", "x-amz-signature", "x-amz-credential"} <= form.keys():
        raise Refused("AccessDenied", "Access Denied")
    scope = form["x-amz-credential"].partition("/")[2]
    _check_signature(form["policy"], scope=scope, signature=form["x-amz-signature"])
    policy = json.loads(base64.b64decode(form["policy"]))
    if now.timestamp() > _parse_time(policy["expiration"]).timestamp():
        raise Refused("AccessDenied", "Invalid according to Policy: Policy expired.")
    form["bucket"] = bucket
    covered = {"policy", "x-amz-signature", "file", "bucket"}
    for condition in policy["conditions"]:
        covered |= _check_condition(condition, form, size_bytes)
    extra = sorted(name for name in form if name not in covered and not name.startswith("x-ignore-"))
    if extra:
        raise Refused("AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _check_condition(condition: Any, form: Mapping[str, str], size_bytes: int) -> set[str]:
    """Return the names of the form fields that the condition covers. Raise Refused if the form does not meet it."""
    operator, name, wanted = (
        ("eq", *next(iter(condition.items()))) if isinstance(condition, dict) else condition
    )
    if str(operator).lower() == "content-length-range":
        if size_bytes < int(name):
            raise Refused(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                status=400,
                ProposedSize=str(size_bytes),
                MinSizeAllowed=str(name),
            )
        if size_bytes > int(wanted):
            raise Refused(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                status=400,
                ProposedSize=str(size_bytes),
                MaxSizeAllowed=str(wanted),
            )
        return set()
    field = str(name).lower().removeprefix("$")
    value = form.get(field, "")
    if not (value.startswith(wanted) if operator == "starts-with" else value == wanted):
        raise Refused(
            "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}"
        )
    return {field}


def _check_signature(text: str, *, scope: str, signature: str) -> None:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature):
        raise Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def _parse_time(text: str) -> datetime:
    """Return the time of a text such as 20260131T120000Z or 2026-01-31T12:00:00[.000]Z.

    Raise Refused for any other text.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise Refused("AccessDenied", f"Invalid date: {text!r}") from error
