"""Translates API Gateway's HTTP API events (payload 2.0) into REST v1 events for Chalice, and responses back.

An HTTP API with a `$default` route, and a function URL, do not know the app's routes, so the raw path is matched
against the route table here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from chalicelib.model.text import UNSTORABLE
from chalicelib.patterns import pattern

_GREEDY = pattern(r"\A/\{(\w+)\+\}\Z")
_BASE = pattern(r"(?:/[^/]+)*\Z")
_VISIBLE = pattern(r"[\x21-\x7e]{1,256}\Z")


def is_v2_event(event: Any) -> bool:
    return isinstance(event, Mapping) and event.get("version") == "2.0" and "rawPath" in event


def as_rest_event(event: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the event as a REST event. `resourcePath` is the path itself if none of `paths` matches."""
    context = _object(event.get("requestContext"))
    http = _object(context.get("http"))
    raw_path = _text(event["rawPath"]) or "/"
    path = _without_stage(raw_path, _text(context.get("stage")) or "$default")
    resource, parameters = match_path(path, paths) or (path, {})
    headers = dict(_object(event.get("headers")))
    if cookies := _list(event.get("cookies")):
        headers["cookie"] = "; ".join(cookies)
    # The raw string, because queryStringParameters joins repeated values with commas.
    query = parse_qs(_text(event.get("rawQueryString")), keep_blank_values=True)
    return completed(
        {
            "resource": resource,
            "path": path,
            "headers": headers,
            "multiValueQueryStringParameters": query,
            "pathParameters": parameters,
            "stageVariables": event.get("stageVariables"),
            "body": event.get("body"),
            "isBase64Encoded": event.get("isBase64Encoded", False),
            "requestContext": {
                **context,
                "httpMethod": http.get("method"),
                "resourcePath": resource,
                "path": raw_path,
                "identity": {"sourceIp": http.get("sourceIp", ""), "userAgent": http.get("userAgent", "")},
            },
        }
    )


def completed(event: Any) -> dict[str, Any]:
    """Return the REST event with all parts that Chalice and this app read.

    A part of a wrong type counts as not sent.
    """
    given = _object(event)
    context = _object(given.get("requestContext"))
    resource, method = _text(context.get("resourcePath")), _text(context.get("httpMethod")) or "GET"
    expected = dict.fromkeys(re.findall(r"\{(\w+)\+?\}", resource), "")
    query = _object(given.get("multiValueQueryStringParameters")) or {
        name: [value] for name, value in _texts(given.get("queryStringParameters")).items()
    }
    request_id = _text(context.get("requestId"))
    body, path = given.get("body"), _text(context.get("path"))
    parameters = {**expected, **_texts(given.get("pathParameters"))}
    return {
        **given,
        "httpMethod": method,
        "path": _without_base(_text(given.get("path")) or path, resource, parameters),
        "headers": {name.lower(): value for name, value in _texts(given.get("headers")).items()},
        "multiValueQueryStringParameters": {name: _list(values) for name, values in query.items()} or None,
        "pathParameters": parameters,
        "stageVariables": _texts(given.get("stageVariables")),
        "body": body if isinstance(body, str | bytes) else None,
        "isBase64Encoded": given.get("isBase64Encoded") is True,
        "requestContext": {
            **context,
            "httpMethod": method,
            "resourcePath": resource,
            "path": path,
            # It becomes a header of the answer.
            "requestId": request_id if _VISIBLE.match(request_id) else "",
            "identity": _object(context.get("identity")),
        },
    }


def as_v2_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response with multiValueHeaders, which payload 2.0 lacks, as cookies and single headers."""
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
    """Return the pattern that a path matches, and its parameters, still quoted. Fixed segments win over parameters."""
    segments = (path.rstrip("/") or "/").split("/")
    # "{" sorts after every letter, so that /runs/mine is tried before /runs/{run_id}, and {proxy+} last.
    for path_pattern in sorted(patterns, key=lambda each: each.split("/")):
        parameters = _match(segments, path_pattern.split("/"))
        if parameters is not None:
            return path_pattern, parameters
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


def _without_base(path: str, resource: str, parameters: Mapping[str, str]) -> str:
    """Return the path without a custom domain's base path, which a REST API leaves in front of it.

    A resource has as many segments as its path. For a greedy resource, the path ends with its parameter, which may be
    decoded.
    """
    greedy = _GREEDY.search(resource)
    if not greedy:
        parts = path.rstrip("/").split("/")
        base = "/".join(parts[: len(parts) - resource.rstrip("/").count("/")])
        return path[len(base) :] or "/"
    end = "/" + parameters[greedy[1]].strip("/")
    for seen in (path, unquote(path)):
        base = seen.rstrip("/").removesuffix(end)
        if end != "/" and base != seen.rstrip("/") and _BASE.match(base) and path.startswith(base):
            return path[len(base) :]
    return path


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and not UNSTORABLE.search(value) else ""


def _texts(value: Any) -> dict[str, str]:
    return {name: text for name, text in _object(value).items() if isinstance(text, str)}


def _list(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
