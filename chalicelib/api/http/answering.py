"""Handles a request as its route declares: finds the caller, parses, calls the handler, makes the response."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import msgspec
from chalice.app import HeadersType
from chalice.app import Response as ChaliceResponse

from chalicelib.api.http.admission import admit_anybody, admit_caller
from chalicelib.api.http.idempotency import respond_once
from chalicelib.api.http.limit_headers import headers_of
from chalicelib.api.http.parsing import parse_body, parse_path, parse_query, parse_raw, parse_together
from chalicelib.api.http.problems import problem_of
from chalicelib.api.http.routes import JSON, Body, Caller, Edge, Query, Request, Response, Route
from chalicelib.errors import Forbidden, InvalidInput, RateLimited
from chalicelib.model.accounts.limits import Admission


def answer_request(route: Route, current: Any, edge: Callable[[], Edge]) -> ChaliceResponse:
    """Count and parse Chalice's current request, call the handler and encode its result.

    Turn every error into a problem.
    """

    def work(counted: list[Admission]) -> ChaliceResponse:
        request = _parse(route, current, edge(), counted)
        respond = _kept(edge().keep) if route.admin and route.method != "GET" else _respond
        return respond_once(route, request, respond) if route.keyed else respond(route, request)

    return answer_counted(work, request_id=current.context["requestId"])


def answer_counted(work: Callable[[list[Admission]], ChaliceResponse], *, request_id: str) -> ChaliceResponse:
    """Return the response of `work`, or the problem that it raises, with the headers of the rate limits.

    `work` appends its admissions to the list that it is given.
    """
    counted: list[Admission] = []
    try:
        response = work(counted)
    except Exception as error:  # noqa: BLE001  answered and logged as a 500; beyond is Chalice's own
        response = problem_response(error, request_id=request_id)
        if isinstance(error, RateLimited):
            counted = [error.admission]
    response.headers.update(headers_of(counted))
    return response


def problem_response(error: Exception, *, request_id: str) -> ChaliceResponse:
    problem, headers = problem_of(error, request_id=request_id)
    return _response(msgspec.json.encode(problem).decode(), problem.status, headers)


def _parse(route: Route, current: Any, edge: Edge, counted: list[Admission]) -> Request:
    headers: Mapping[str, str] = current.headers
    event = current.to_original_event()
    query = event["multiValueQueryStringParameters"] or {}
    # API Gateway's own value: a client can send any X-Forwarded-For.
    address = event["requestContext"].get("identity", {}).get("sourceIp") or ""
    caller = None
    if route.public:
        admit_anybody(edge, address, route.cost, counted)
    else:
        caller = admit_caller(edge, headers, address, route.cost, counted)
        _require_rights(route, caller)
    path, asked, body = parse_together(
        lambda: parse_path(event["pathParameters"] or {}, route.patterns),
        lambda: parse_query(query, route.query or Query),
        lambda: _parse_body(current, route),
    )
    return Request(
        user_id=caller.user_id if caller else "",
        caller=caller,
        address=address,
        path=path,
        query=asked,
        body=body,
        headers=headers,
        request_id=current.context["requestId"],
        base_url=_base_url(event, headers),
        creation_id=uuid4(),
    )


def _require_rights(route: Route, caller: Caller) -> None:
    if route.scope not in caller.scopes:
        raise Forbidden(
            f"This API key lacks the scope {route.scope}; make one that has it.", code="insufficient_scope"
        )
    if route.admin and not caller.is_admin:
        raise Forbidden("This needs an administrator's account.")


def _parse_body(current: Any, route: Route) -> Body | bytes | None:
    if not route.body and not route.raw:
        return None
    content_type = current.headers.get("content-type", "")
    try:
        raw: bytes = current.raw_body
    except ValueError as error:  # API Gateway passes on broken text and broken base64
        raise InvalidInput("The body is not UTF-8.", code="invalid_json") from error
    if route.body:
        return parse_body(raw, content_type, route.body, max_bytes=route.max_body_bytes)
    return parse_raw(raw, content_type, route.raw or "", max_bytes=route.max_body_bytes)


def _base_url(event: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    context = event["requestContext"]
    host = context.get("domainName") or headers.get("host", "localhost")
    # API Gateway's context.path is the stage or base path, then the event's path.
    prefix = context.get("path", "").removesuffix(event.get("path", context.get("path", "")))
    return f"{headers.get('x-forwarded-proto', 'http')}://{host}{prefix.rstrip('/')}"


def _kept(keep: Callable[[Route, Request], None]) -> Callable[[Route, Request], ChaliceResponse]:
    """Return a `_respond` that first writes down what an administrator asks for."""

    def respond(route: Route, request: Request) -> ChaliceResponse:
        keep(route, request)
        return _respond(route, request)

    return respond


def _respond(route: Route, request: Request) -> ChaliceResponse:
    result = route.handler(request)
    answer = result if isinstance(result, Response) else Response(result)
    status = answer.status or route.status
    declared = route.returns if status == route.status else route.also.get(status)
    if answer.body is None:
        return _response("", status, answer.headers)
    if isinstance(declared, str):
        return _response(answer.body, status, {"Content-Type": declared, **answer.headers})
    if not isinstance(answer.body, declared or ()):
        raise TypeError(
            f"{route.method} {route.path} declares {declared} for {status}, not {type(answer.body)}"
        )
    return _response(
        msgspec.json.encode(answer.body).decode(), status, {"Content-Type": JSON, **answer.headers}
    )


def _response(body: str | bytes, status: int, headers: Mapping[str, str]) -> ChaliceResponse:
    plain: HeadersType = dict(headers)
    return ChaliceResponse(body, plain, status)
