"""API Gateway HTTP API events (payload 2.0) as the REST v1 events Chalice understands, and answers back.

An HTTP API with a `$default` route, and a function URL, know nothing of the app's routes:
the raw path is matched against the route table here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs


def is_v2_event(event: Mapping[str, Any]) -> bool:
    return event.get("version") == "2.0" and "rawPath" in event


def as_rest_event(event: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Translate one event; `resourcePath` is the path itself when none of `paths` matches it."""
    context: Mapping[str, Any] = event.get("requestContext") or {}
    http: Mapping[str, Any] = context.get("http") or {}
    path = _without_stage(event["rawPath"], context.get("stage", "$default"))
    resource, parameters = match_path(path, paths) or (path, {})
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if event.get("cookies"):
        headers["cookie"] = "; ".join(event["cookies"])
    # The raw string and not queryStringParameters, which joins repeated values with commas.
    query = parse_qs(event.get("rawQueryString", ""), keep_blank_values=True)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": http.get("method", "GET"),
        "headers": headers,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters,
        "stageVariables": event.get("stageVariables") or {},
        "body": event.get("body"),
        "isBase64Encoded": event.get("isBase64Encoded", False),
        "requestContext": {
            **context,
            "httpMethod": http.get("method", "GET"),
            "resourcePath": resource,
            "path": event["rawPath"],
            "identity": {"sourceIp": http.get("sourceIp", ""), "userAgent": http.get("userAgent", "")},
        },
    }


def as_v2_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Fold multiValueHeaders, which payload 2.0 does not have, into cookies and single headers."""
    headers = dict(answer["headers"])
    cookies: list[str] = []
    for name, values in answer["multiValueHeaders"].items():
        if name.lower() == "set-cookie":
            cookies.extend(values)
        else:
            headers[name] = ", ".join(values)
    return {
        "statusCode": answer["statusCode"],
        "headers": headers,
        "cookies": cookies,
        "body": answer["body"],
        "isBase64Encoded": answer.get("isBase64Encoded", False),
    }


def match_path(path: str, patterns: Iterable[str]) -> tuple[str, dict[str, str]] | None:
    """The pattern a path matches and its parameters, still quoted; fixed segments win over parameters."""
    segments = (path.rstrip("/") or "/").split("/")
    # "{" sorts after every letter, so that /runs/mine is tried before /runs/{run_id}, and {proxy+} last.
    for pattern in sorted(patterns, key=lambda pattern: pattern.split("/")):
        parameters = _match(segments, pattern.split("/"))
        if parameters is not None:
            return pattern, parameters
    return None


def _match(segments: list[str], pattern: list[str]) -> dict[str, str] | None:
    greedy = re.fullmatch(r"\{(\w+)\+\}", pattern[-1])
    if greedy and len(segments) >= len(pattern):
        segments = [*segments[: len(pattern) - 1], "/".join(segments[len(pattern) - 1 :])]
    if len(segments) != len(pattern):
        return None
    parameters = {}
    for given, expected in zip(segments, pattern, strict=True):
        if expected.startswith("{"):
            if not given:
                return None
            parameters[expected[1:-1].rstrip("+")] = given
        elif given != expected:
            return None
    return parameters


def _without_stage(raw_path: str, stage: str) -> str:
    if stage != "$default" and (raw_path == f"/{stage}" or raw_path.startswith(f"/{stage}/")):
        return raw_path[len(stage) + 1 :] or "/"
    return raw_path
