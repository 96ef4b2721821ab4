"""The gateway's entry: forwards requests that no route of the app serves to the service behind their path."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalice.app import Response as ChaliceResponse

from chalicelib import wiring
from chalicelib.api.http.admission import admit_anybody, admit_caller
from chalicelib.api.http.answering import answer_counted
from chalicelib.api.http.entry import preflight
from chalicelib.api.http.problems import MethodNotAllowed
from chalicelib.api.http.routes import Caller, Edge
from chalicelib.errors import Forbidden, InvalidInput, NotFound
from chalicelib.model.accounts.api_keys import Scope
from chalicelib.model.accounts.limits import Admission
from chalicelib.model.gateway.gateway import (
    Client,
    Headers,
    Identity,
    Inbound,
    UpstreamAnswer,
    encode_parameters,
    encode_path,
    encode_query,
)
from chalicelib.model.gateway.gateway_routes import ROUTES, GatewayRoute, match_route
from chalicelib.ops import gateway as ops
from chalicelib.patterns import pattern

_HOST = pattern(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?\Z|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?\Z")
_ADDRESS = pattern(r"[0-9A-Fa-f:.]{2,45}\Z")
OURS = frozenset({"Ratelimit", "Ratelimit-Policy"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Added to the upstream's own policy: its pages share the console's origin, where the console stores tokens.
SANDBOX = "sandbox allow-downloads allow-forms allow-popups allow-scripts"


class Passed(ChaliceResponse):
    """An upstream's response as it came, always in base64: Chalice's own class takes only text and a few types."""

    def __init__(self, answer: UpstreamAnswer, *, own_cors: bool) -> None:
        super().__init__("", {}, answer.status)  # without headers, which Chalice would check
        self._answer = answer
        self._own_cors = own_cors

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        single, multiple = _grouped(self._answer.headers, own_cors=self._own_cors)
        return {
            "statusCode": self._answer.status,
            "headers": {**single, **self.headers},
            "multiValueHeaders": multiple,
            "body": base64.b64encode(self._answer.body).decode(),
            "isBase64Encoded": True,
        }


def gateway(
    upstreams: Callable[[], Mapping[str, "ops.Upstream"]], routes: Sequence[GatewayRoute] = ROUTES
) -> Callable[[Any, Callable[[], Edge]], ChaliceResponse]:
    """Return the handler for App.pass_on. It serves the routes whose upstream is configured."""

    def answer(current: Any, edge: Callable[[], Edge]) -> ChaliceResponse:
        return answer_counted(
            lambda counted: _answer(current, edge(), upstreams(), routes, counted),
            request_id=current.context["requestId"],
        )

    return answer


def _answer(
    current: Any,
    edge: Edge,
    upstreams: Mapping[str, "ops.Upstream"],
    routes: Sequence[GatewayRoute],
    counted: list[Admission],
) -> ChaliceResponse:
    active = [route for route in routes if route.upstream in upstreams]
    if not active:
        raise NotFound("There is nothing here.")
    inbound = inbound_of(current.to_original_event())
    route = match_route(inbound.path, active)
    if route is None:
        raise NotFound("There is nothing here.")
    if inbound.method not in route.methods:
        if inbound.method == "OPTIONS":
            return preflight({*route.methods, "OPTIONS"})
        raise MethodNotAllowed(f"{inbound.method} is not possible here.", allowed={*route.methods, "OPTIONS"})
    identity, address = None, inbound.client.address
    if route.public:
        admit_anybody(edge, address, "plain", counted)
    else:
        caller = admit_caller(edge, current.headers, address, "plain", counted)
        identity = _identity(route, inbound.method, caller)
    answer = ops.forward(
        inbound,
        route,
        identity,
        upstream=upstreams[route.upstream],
        db=wiring.database() if route.cache else None,
        now_s=time.time(),
    )
    return Passed(answer, own_cors="OPTIONS" in route.methods)


def _identity(route: GatewayRoute, method: str, caller: Caller) -> Identity:
    """Return what the upstream is told of the caller. Raise Forbidden when the route is not for them."""
    scope: Scope = "read" if method in READING else "write"
    if scope not in caller.scopes:
        raise Forbidden(
            f"This API key lacks the scope {scope}; make one that has it.", code="insufficient_scope"
        )
    roles = ("user", "admin") if caller.is_admin else ("user",)
    if route.roles and not route.roles & set(roles):
        raise Forbidden("Your role does not allow this.")
    return Identity(user_id=caller.user_id, roles=roles)


def inbound_of(event: Mapping[str, Any]) -> Inbound:
    """Return the request of a REST v1 event, or of one that v2_events.py has made such.

    REST APIs and function URLs pass the path on as it was sent. HTTP APIs decode it, so that %2F and / are the same
    there. REST APIs decode the query: values and their order by name arrive, but + and %20 are the same, and so are
    `a=` and `a`.
    """
    context, raw_query = event["requestContext"], event.get("rawQueryString")
    try:
        return Inbound(
            method=context["httpMethod"],
            path=encode_path(event.get("path") or context["path"]),
            query=encode_query(raw_query)
            if isinstance(raw_query, str)
            else encode_parameters(event["multiValueQueryStringParameters"] or {}),
            headers=_headers(event),
            body=_body(event),
            client=_client(context, event["headers"]),
            request_id=context["requestId"],
        )
    except ValueError as error:  # lone surrogates, or broken base64
        raise InvalidInput("The request has characters that are not valid UTF-8.") from error


def _headers(event: Mapping[str, Any]) -> Headers:
    repeated = event.get("multiValueHeaders") or {name: [value] for name, value in event["headers"].items()}
    return tuple((name, value) for name, values in repeated.items() for value in values or ())


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or b""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return body if isinstance(body, bytes) else body.encode()


def _client(context: Mapping[str, Any], headers: Mapping[str, str]) -> Client:
    """Return the client, with the requested host. API Gateway always uses TLS; without it the app runs on a laptop."""
    domain = context.get("domainName")
    host, address = domain or headers.get("host", ""), context.get("identity", {}).get("sourceIp") or ""
    return Client(
        address=address if _ADDRESS.match(address) else "",
        host=host if _HOST.match(host) else "localhost",
        scheme="https" if domain else "http",
    )


def _grouped(headers: Headers, *, own_cors: bool) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the headers that come once and those that come repeatedly, with names in one spelling."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        spelt = "-".join(part.capitalize() for part in name.split("-"))
        if spelt not in OURS and (own_cors or not spelt.startswith("Access-Control-")):
            values.setdefault(spelt, []).append(value)
    # Without a type API Gateway would add JSON's; `chalice local` finds the header in one spelling only.
    values["Content-Type"] = values.get("Content-Type", ["application/octet-stream"])[:1]
    if "Vary" in values:
        values["Vary"].append("Origin")
    if "Content-Security-Policy" in values:
        values["Content-Security-Policy"].append(SANDBOX)
    repeated = {name: each for name, each in values.items() if len(each) > 1 or name == "Set-Cookie"}
    return {name: each[0] for name, each in values.items() if name not in repeated}, repeated
