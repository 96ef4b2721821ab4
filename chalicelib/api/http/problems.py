"""Errors as RFC 9457 problems: the one place that knows which error is which HTTP status."""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from math import ceil

import msgspec

from chalicelib import errors

log = logging.getLogger("collections")
UPLOADS_PATH = "/api/v1/uploads"


class MethodNotAllowed(errors.CollectionsError):
    """HTTP's own, as the next one: no op raises it, hence not in errors.py."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = sorted(allowed)


class UnsupportedMediaType(errors.CollectionsError):
    code = "unsupported_media_type"


class BodyTooLarge(errors.TooLarge):
    """More than the route takes; where files of any size go, the problem and its Link header say."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The body is over {max_bytes} bytes. Files go through POST {UPLOADS_PATH}.")


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
    errors.BadFile: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Throttled: HTTPStatus.SERVICE_UNAVAILABLE,  # a provider throttles us: no fault of the caller's
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
INTERNAL_DETAIL = "Something went wrong on our side. It has been recorded under this request id."


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request. `field` is null when it is the whole body."""

    field: str | None
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem (RFC 9457): `code` is stable, `detail` is for people, `field` is the part of the request at fault.

    `errors` lists all mistakes of a wrong request; `field` is the first one's, and `detail` tells all.
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
    """The problem and its headers. What is not raised on purpose tells nothing, and is logged."""
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
