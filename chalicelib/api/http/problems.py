"""Turns errors into RFC 9457 problems. This is the only module that maps errors to HTTP statuses."""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from math import ceil

import msgspec

from chalicelib import errors

log = logging.getLogger("collections")
UPLOADS_PATH = "/api/v1/uploads"


class MethodNotAllowed(errors.CollectionsError):
    """The method is not allowed. Like UnsupportedMediaType it is HTTP's own, so it is not in errors.py."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = sorted(allowed)


class UnsupportedMediaType(errors.CollectionsError):
    code = "unsupported_media_type"


class BodyTooLarge(errors.TooLarge):
    """The body is larger than the route accepts. The message and the Link header name the route for large files."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The body must have at most {max_bytes} bytes. Send larger files by POST {UPLOADS_PATH}."
        )


STATUS_OF_ERROR: dict[type[Exception], HTTPStatus] = {
    errors.CollectionsError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.InFlight: HTTPStatus.CONFLICT,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BudgetSpent: HTTPStatus.PAYMENT_REQUIRED,
    errors.BadFile: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Throttled: HTTPStatus.SERVICE_UNAVAILABLE,  # a provider throttles the app, which is not the caller's fault
    errors.Misconfigured: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InvalidSetting: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UpstreamFailed: HTTPStatus.BAD_GATEWAY,
    errors.UpstreamUnreachable: HTTPStatus.BAD_GATEWAY,
    errors.UpstreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    errors.LeaseLost: HTTPStatus.CONFLICT,
}

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
INTERNAL_DETAIL = "The app failed. The error is in its log under this request id."


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A mistake in a request. `field` is null if the whole body is wrong."""

    field: str | None
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem (RFC 9457): `code` is stable, `detail` is for people, `field` is the part of the request at fault.

    `errors` has all mistakes of a request; `field` is that of the first one, and `detail` describes all.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    field: str | None = None
    errors: list[Mistake] | None = None


def problem_of(error: Exception, *, request_id: str) -> tuple[Problem, dict[str, str]]:
    """Return the problem and its headers. Unexpected errors are logged, and the problem reveals nothing of them."""
    status = STATUS_OF_ERROR.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    code, detail = "internal", INTERNAL_DETAIL
    if isinstance(error, errors.CollectionsError) and status != HTTPStatus.INTERNAL_SERVER_ERROR:
        code, detail = error.code, error.message
    else:
        log.error("request failed", exc_info=error, extra={"request_id": request_id})
    if isinstance(error, errors.Unavailable):
        log.warning("dependency unavailable", exc_info=error, extra={"request_id": request_id, "code": code})
    problem = Problem(
        type="about:blank",
        title=status.phrase,
        status=status.value,
        detail=detail,
        code=code,
        request_id=request_id,
        field=(error.field or None) if isinstance(error, errors.CollectionsError) else None,
        errors=_mistakes(error) if isinstance(error, errors.InvalidInput) else None,
    )
    return problem, {"Content-Type": CONTENT_TYPE, **_headers(error)}


def _mistakes(error: errors.InvalidInput) -> list[Mistake]:
    return [Mistake(field=each.field or None, code=each.code, detail=each.message) for each in error.mistakes]


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="collections"'}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, BodyTooLarge):
        return {"Link": f'<{UPLOADS_PATH}>; rel="alternate"'}
    if isinstance(error, errors.Unavailable | errors.InFlight | errors.RateLimited):
        return {"Retry-After": str(max(1, ceil(error.retry_after_s or RETRY_AFTER_S)))}
    return {}
