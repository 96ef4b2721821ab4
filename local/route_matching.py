"""Corrects how `chalice local` finds a route: Chalice 1.34 lets {proxy+} match one segment, API Gateway many."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import chalice.local


def install() -> None:
    """Let every `chalice local` of this process match routes as API Gateway does."""
    setattr(chalice.local.RouteMatcher, "match_route", match_route)  # noqa: B010  mypy would have the method's own type


def match_route(matcher: Any, url: str) -> chalice.local.MatchResult:
    """Return the route that API Gateway would choose: fixed parts before variable parts before greedy {name+}.

    A path without a route goes to the app as well, as it does behind an HTTP API.
    """
    parsed = urlsplit(url)
    parts = (parsed.path.rstrip("/") or "/").split("/")
    found = []
    for route in matcher.route_urls:
        captured = _capture(route.split("/"), parts)
        if captured is not None:
            found.append((_rank(route), route, captured))
    if not found:
        return chalice.local.MatchResult("/{proxy+}", {"proxy": parsed.path.lstrip("/")}, {})
    _, route, captured = min(found, key=lambda match: match[0])
    return chalice.local.MatchResult(route, captured, parse_qs(parsed.query, keep_blank_values=True))


def _rank(route: str) -> list[int]:
    return [2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in route.split("/")]


def _capture(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    captured: dict[str, str] = {}
    for index, piece in enumerate(pattern):
        rest = parts[index:]
        if piece.endswith("+}") and rest and rest != [""]:
            return {**captured, piece[1:-2]: "/".join(rest)}
        if not rest or not (piece.startswith("{") or piece == rest[0]):
            return None
        if piece.startswith("{"):
            captured[piece[1:-1]] = rest[0]
    return captured if len(parts) == len(pattern) else None
