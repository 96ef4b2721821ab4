"""Hears which IAM actions one user's requests to the emulator need, to compare them with that user's policy."""

import io
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import botocore.session

CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]*/([^/]+)/aws4_request")
# Everybody may ask who they are.
FREE = {"sts:GetCallerIdentity"}
# IAM's names, where they are not those of the operations.
IAM_NAMES = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "lambda:Invoke": "lambda:InvokeFunction",
}


class Heard(NamedTuple):
    """An action, and whether the request names something of the app; one that does not needs the resource `*`."""

    action: str
    names_ours: bool


class HeardCalls:
    """The calls of one access key. `ours`: a part of the name of everything that the policy is limited to."""

    def __init__(self, access_key: str, *, ours: str) -> None:
        self._access_key = access_key
        self._ours = ours.encode()
        self.calls: set[Heard] = set()

    def hear(self, environ: dict[str, Any]) -> None:
        """Note what the request needs. Its body can be read again afterwards."""
        found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if not found or found[1] != self._access_key:
            return
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        action = _action(found[2], environ, body)
        names_ours = self._ours in body or self._ours in environ["REQUEST_URI"].encode()
        self.calls.add(Heard(action, names_ours))

    def beyond(self, policy: Mapping[str, Any]) -> list[str]:
        """Return the actions that the policy does not allow."""
        return sorted(call.action for call in self.calls if not _is_allowed(call, policy))


def _is_allowed(call: Heard, policy: Mapping[str, Any]) -> bool:
    return call.action in FREE or any(
        any(fnmatchcase(call.action, pattern) for pattern in each["Action"])
        and (call.names_ours or not all("collections" in name for name in each["Resource"]))
        for each in policy["Statement"]
    )


def _action(service: str, environ: Mapping[str, Any], body: bytes) -> str:
    method = str(environ["REQUEST_METHOD"])
    if service == "apigateway":
        return f"apigateway:{method}"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        name = target.rpartition(".")[2]
    elif "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        name = parse_qs(body.decode())["Action"][0]
    else:
        path, _, query = str(environ["REQUEST_URI"]).partition("?")
        headers = {key[5:].lower().replace("_", "-") for key in environ if key.startswith("HTTP_")}
        parameters = {part.partition("=")[0] for part in query.split("&") if part}
        name = _rest_operation(service, method, path, headers | parameters)
    prefix = {"monitoring": "cloudwatch"}.get(service, service)
    action = f"{prefix}:{name}"
    return IAM_NAMES.get(action, action)


def _rest_operation(service: str, method: str, path: str, given: set[str]) -> str:
    """Return the operation that fits the request; the one with most parts wins. Raise ValueError if none fits.

    `given`: the names of the request's headers and of its query's parameters.
    """
    fitting = [
        (len(needed), len(pattern.pattern), name)
        for name, verb, pattern, needed in _patterns(service)
        if verb == method and needed <= given and pattern.fullmatch(path)
    ]
    if not fitting:
        raise ValueError(f"{service} has no operation {method} {path}")
    return re.sub(r"\d+(_\d+)*$", "", max(fitting)[-1])  # the API's date: ListFunctions20150331


@cache
def _patterns(service: str) -> list[tuple[str, str, re.Pattern[str], set[str]]]:
    """Return (name, method, path, headers and parameters that it must have) of each operation of the service."""
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        pattern = re.sub(r"\\\{\w+(\\\+)?\\\}", lambda m: ".+" if m[1] else "[^/]+", re.escape(path))
        members = operation.input_shape.members if operation.input_shape else {}
        required = operation.input_shape.required_members if operation.input_shape else []
        needed = {
            members[each].serialization["name"].lower()
            for each in required
            if members[each].serialization.get("location") in ("querystring", "header")
        }
        needed |= {part.partition("=")[0] for part in query.split("&") if part}
        found.append((name, operation.http["method"], re.compile(pattern + "/?"), needed))
    return found
