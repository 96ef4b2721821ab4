"""The Lambda entry: a Chalice app that handles REST v1 and HTTP API v2 events, and completes every response.

app.py:

    @cache
    def edge() -> Edge:          # called by requests only: `chalice package` imports app.py without settings
        return Edge(identify=..., cors_origins=...)

    app = App(app_name="collections", edge=edge, invocation=...)  # around each of Lambda's calls
    app.add(items.routes)
    app.add(documented(app.declared, version=VERSION))

It wraps all handlers and middleware, so that it sees every response: unknown paths and methods, preflights, request
ids, CORS and security headers, and problems in place of Chalice's own refusals.
"""

import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from chalice.app import APIGateway, Chalice, HeadersType, RestAPIEventHandler
from chalice.app import Response as ChaliceResponse

from chalicelib.api.http.answering import answer_request, problem_response
from chalicelib.api.http.problems import MethodNotAllowed
from chalicelib.api.http.routes import Edge, Route, Routes
from chalicelib.api.http.v2_events import as_rest_event, as_v2_answer, completed, is_v2_event
from chalicelib.errors import CollectionsError, NotFound
from chalicelib.metrics import process
from chalicelib.metrics.declared import REQUEST_DURATION
from chalicelib.model.gateway.gateway_routes import METHODS
from chalicelib.patterns import pattern
from chalicelib.tracing import names, spans

ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",  # browsers use it over TLS only
    "X-Content-Type-Options": "nosniff",
}
EXPOSED = (
    "Content-Disposition, Idempotency-Replayed, Link, Location, Preference-Applied, "
    "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
)
ACCEPTED = "Authorization, Content-Type, Idempotency-Key, Prefer, X-Api-Key, X-Request-Id"
PREFLIGHT_MAX_AGE_S = 600
_REQUEST_ID = pattern(r"[A-Za-z0-9._=-]{8,128}\Z")


class App(Chalice):
    """A Chalice app with declared routes, an OPTIONS method on every path, and one form for all responses."""

    def __init__(
        self,
        *,
        app_name: str,
        edge: Callable[[], Edge],
        invocation: Callable[[str | None], AbstractContextManager[None]] = spans.continued,
    ) -> None:
        super().__init__(app_name=app_name, configure_logs=False)  # logs.py's, not Chalice's text lines
        self.api.binary_types = ["*/*"]  # API Gateway then passes every body on in base64, unchanged
        self.edge, self._invocation = edge, invocation
        self.declared: list[Route] = []
        self._always: set[str] = set()

    def add(self, routes: Routes) -> None:
        """Serve and document these routes. HEAD is served as GET; `_answer` removes the body."""
        for route in routes.declared:
            methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
            # Content types are ours to check: Chalice's 415 is not a problem document.
            serve = self.route(
                route.path, methods=methods, name=route.handler.__name__, content_types=["*/*"]
            )
            serve(self._view(route))
            self.declared.append(route)
            if route.always:
                self._always.add(route.path)

    def pass_on(self, answer: Callable[[Any, Callable[[], Edge]], ChaliceResponse]) -> None:
        """Serve every path that no other route serves by `answer`. These are upstreams' paths and not documented."""
        serve = self.route("/{proxy+}", methods=list(METHODS), name="gateway", content_types=["*/*"])
        serve(lambda **_path: answer(self.current_request, self.edge))

    def _view(self, route: Route) -> Callable[..., ChaliceResponse]:
        def view(**_path: str) -> ChaliceResponse:
            return answer_request(route, self.current_request, self.edge)

        return view

    def _register_route(self, name: str, user_handler: Any, kwargs: Any, **unused: Any) -> None:
        path = kwargs["path"]
        super()._register_route(name, user_handler, kwargs, **unused)
        # Our own OPTIONS, as Chalice's `cors` knows only one fixed origin.
        if "OPTIONS" not in self.routes[path]:
            options = {"path": path, "kwargs": {"methods": ["OPTIONS"], "content_types": ["*/*"]}}
            super()._register_route("options", self._preflight, options)

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        if is_v2_event(event):
            rest = as_rest_event(event, self.routes) | {"rawQueryString": event.get("rawQueryString", "")}
            return as_v2_answer(self._observed(rest, context))
        return self._observed(completed(event), context)

    def _observed(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        asked = event["requestContext"]
        method, path = asked.get("httpMethod"), asked.get("resourcePath")
        # Anybody can send any path and method: only our own become labels.
        route = f"{method} {path}" if method in self.routes.get(path, ()) else "none"
        began = time.perf_counter()
        with self._invocation(event["headers"].get("traceparent")):
            with spans.span(route, kind="server") as span:
                answer = self._answer(event, context)
                status = answer["statusCode"]
                if route != "none":
                    span.attributes |= {names.HTTP_METHOD: method, names.HTTP_ROUTE: path}
                span.attributes[names.HTTP_STATUS] = status
                span.error = str(status) if status >= 500 else None
            took_s = time.perf_counter() - began
            process.observe(REQUEST_DURATION, took_s, Route=route, Status=str(status))
        return answer

    def _answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        headers, request_context = event["headers"], event["requestContext"]
        request_id = request_context.get("requestId") or _incoming_id(headers) or str(uuid.uuid4())
        request_context["requestId"] = request_id
        cors: dict[str, str] = {}
        try:
            is_settled = request_context.get("resourcePath") not in self._always
            cors = _cors(self.edge().cors_origins() if is_settled else (), headers.get("origin"))
            answer = self._dispatch(event, context)
        except Exception as error:  # noqa: BLE001  answered, and logged when it is a 500
            answer = problem_response(error, request_id=request_id).to_dict()
        if request_context.get("httpMethod") == "HEAD":
            answer["body"] = ""
        # Repeated headers of an upstream are in multiValueHeaders; they too have precedence over ours.
        ours = {
            name: each for name, each in {**ALWAYS, **cors}.items() if name not in answer["multiValueHeaders"]
        }
        answer["headers"] = {**ours, **answer["headers"], "X-Request-Id": request_id}
        return answer

    def _dispatch(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        methods = self.routes.get(event["requestContext"].get("resourcePath", ""))
        if not methods:
            raise NotFound("There is nothing here.")
        method = event["requestContext"]["httpMethod"]
        if method not in methods:
            raise MethodNotAllowed(f"{method} is not possible here.", allowed=methods)
        answer = self._ask_chalice(event, context)
        # Chalice's own refusals are the only errors without a content type.
        if answer["statusCode"] >= 400 and "Content-Type" not in answer["headers"]:
            raise CollectionsError("Chalice failed; its own log line has the traceback.")
        return answer

    def _ask_chalice(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Return Chalice's response to the event, with Chalice's own binary types: `api` has those for API Gateway."""
        self.lambda_context = context
        middleware = self._get_middleware_handlers("http")
        handler = _EventHandler(self.routes, APIGateway(), self.log, self.debug, middleware)
        self.current_request = handler.create_request_object(event, context)
        answer: dict[str, Any] = handler(event, context)
        return answer

    def _preflight(self, **_path: str) -> ChaliceResponse:
        path = self.current_request.path  # type: ignore[union-attr]  # set before any view runs
        return preflight(self.routes[path])


class _EventHandler(RestAPIEventHandler):
    def _validate_binary_response(self, request_headers: Any, response_headers: Any) -> bool:
        """Accept every response: Accept may be ignored (RFC 9110, 12.4.1). Chalice would refuse a JPEG for image/*."""
        return True


def preflight(methods: Iterable[str]) -> ChaliceResponse:
    """Return the response to OPTIONS on a path with these methods."""
    listed = ", ".join(sorted(methods))
    headers: HeadersType = {
        "Allow": listed,
        "Access-Control-Allow-Methods": listed,
        "Access-Control-Allow-Headers": ACCEPTED,
        "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
    }
    return ChaliceResponse("", headers, 204)


def _cors(origins: tuple[str, ...], origin: str | None) -> dict[str, str]:
    allowed = {"Access-Control-Expose-Headers": EXPOSED}
    if "*" in origins:
        return {**allowed, "Access-Control-Allow-Origin": "*"}
    if origin is None or origin not in origins:
        return {"Vary": "Origin"}
    return {**allowed, "Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _incoming_id(headers: dict[str, str]) -> str | None:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.match(given) else None
