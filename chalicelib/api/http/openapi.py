"""The OpenAPI 3.1 document, generated from the declarations that parse and serve the requests."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from chalicelib.api.http import examples, idempotency
from chalicelib.api.http.parsing import MAX_PATH_PARAMETER_CHARS
from chalicelib.api.http.problems import CONTENT_TYPE, STATUS_OF_ERROR, Mistake, Problem, UnsupportedMediaType
from chalicelib.api.http.routes import JSON, Request, Response, Route, Routes
from chalicelib.errors import (
    CollectionsError,
    Forbidden,
    InFlight,
    InvalidInput,
    KeyReused,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from chalicelib.patterns import pattern

PATH = "/api/v1/openapi.json"
_REF = "#/components/schemas/{name}"
_DESCRIPTION = "Every path with GET has HEAD too: the same headers without a body."
_KEY_PARAMETER = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "5b8d2c1e-6a2f-4a43-9d3e-0c1f7a9b2e64",
    "description": "Send the request again under the same key, for 24 hours, and get the first answer of success.",
}
_PREFER_PARAMETER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"anyOf": [{"const": "respond-async"}, {"type": "string"}]},
    "example": "respond-async",
    "description": "respond-async: respond at once with 202 and a run. Long work gets this response without asking.",
}
_HEADERS = {
    name: {"description": text, "schema": {"type": type_}}
    for name, type_, text in (
        (
            "RateLimit-Policy",
            "string",
            'The limits this request counts against: "name";q=quota;w=window in s, ...',
        ),
        (
            "RateLimit",
            "string",
            'What remains of them: "name";r=requests;t=seconds until there is one more, ...',
        ),
        ("Retry-After", "integer", "Seconds until the same request may succeed."),
        ("Location", "string", "Where the file is, or the run."),
        ("Preference-Applied", "string", "respond-async, when that was asked for."),
    )
}
_HEADERS_OF_STATUS = {"302": ["Location"], "429": ["Retry-After"], "503": ["Retry-After"]}
_BINARY = {"type": "string", "format": "binary"}
_PARAMETER = pattern(r"\{(\w+)\+?\}")


def documented(declared: Sequence[Route], *, version: str) -> Routes:
    """Return the routes that serve the document of `declared`, the app's live list, which includes these routes."""
    routes = Routes("meta")

    @cache
    def encoded() -> str:
        return msgspec.json.encode(document(declared, version=version)).decode()

    @routes.get(
        PATH,
        returns=JSON,
        public=True,
        cost="none",
        summary="Read this API's description, an OpenAPI 3.1 document.",
    )
    def get_openapi(_request: Request) -> Response:
        return Response(encoded(), headers={"Cache-Control": "public, max-age=300"})

    return routes


def document(declared: Iterable[Route], *, version: str) -> dict[str, Any]:
    """Return the document. Raise TypeError for a declared type with bytes, which JSON does not have."""
    declared = list(declared)
    schemas, components = _schemas(declared)
    paths: dict[str, dict[str, Any]] = {}
    for route in declared:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Collections", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
        "security": [{"bearer": []}, {"key": []}],
    }


def _schemas(declared: list[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    types: list[Any] = [Problem]
    for route in declared:
        candidates = [route.query, route.body, route.returns, *route.also.values()]
        types += [type_ for type_ in candidates if type_ is not None and not isinstance(type_, str)]
    types = list(dict.fromkeys(types))
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    if b'"contentEncoding":"base64"' in msgspec.json.encode([refs, components]):
        raise TypeError("A declared type has bytes, which JSON does not have.")
    return dict(zip(types, refs, strict=True)), components


def _operation(route: Route, schemas: Mapping[Any, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [route.tag],
        "summary": route.summary,
        "responses": _responses(route, schemas, components),
    }
    parameters = [_path_parameter(name, route) for name in _PARAMETER.findall(route.path)]
    if route.keyed:
        parameters.append(_KEY_PARAMETER)
    if route.may_run:
        parameters.append(_PREFER_PARAMETER)
    if route.query:
        query = _resolve(schemas[route.query], components)
        parameters += _query_parameters(query)
        if "description" in query:
            operation["description"] = query["description"]
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        schema = schemas[route.body]
        content = {JSON: {"schema": schema, "example": examples.example_of(schema, components, sent=True)}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.raw:
        operation["requestBody"] = {"required": True, "content": {route.raw: {"schema": _BINARY}}}
    if route.public:
        operation["security"] = []
    return operation


def _path_parameter(name: str, route: Route) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_PATH_PARAMETER_CHARS}
    if name in route.patterns:
        schema = {"type": "string", "pattern": route.patterns[name]}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    parameters = []
    for name, given in schema["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in required, "schema": given}
        if "description" in given:
            parameter["description"] = given["description"]
        parameters.append(parameter)
    return parameters


def _resolve(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    return components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _responses(route: Route, schemas: Mapping[Any, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    responses = {}
    for status, returns in [(route.status, route.returns), *route.also.items()]:
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if isinstance(returns, str):
            answer["content"] = {
                returns.partition(";")[0]: {"schema": {} if returns == JSON else {"type": "string"}}
            }
        elif returns is not None:
            schema = schemas[returns]
            answer["content"] = {JSON: {"schema": schema, "example": examples.example_of(schema, components)}}
        responses[str(status)] = answer
    for error in _errors(route):
        status = STATUS_OF_ERROR[error]
        responses.setdefault(
            str(status.value), {"description": status.phrase, **_problem(error, schemas[Problem])}
        )
    responses["default"] = {"description": "Any other error", **_problem(None, schemas[Problem])}
    limited = [] if route.cost == "none" else ["RateLimit-Policy", "RateLimit"]
    for code, response in responses.items():
        names = [*limited, *_HEADERS_OF_STATUS.get(code, ())]
        if route.may_run and code == "202":
            names += ["Location", "Preference-Applied"]
        if names:
            response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return responses


def _problem(error: type[CollectionsError] | None, schema: Any) -> dict[str, Any]:
    """Return the content of an error's response, with an example. None stands for any error."""
    content = {"schema": schema}
    if error is not None:
        status = STATUS_OF_ERROR[error]
        mistakes = [
            Mistake(field=field, code=error.code, detail=detail)
            for field, detail in examples.MISTAKES.items()
        ]
        details = (
            [each.detail for each in mistakes] if error is InvalidInput else [examples.DETAILS[error.code]]
        )
        content["example"] = Problem(
            type="about:blank",
            title=status.phrase,
            status=status.value,
            detail=" ".join(details),
            code=error.code,
            request_id=examples.VALUES["request_id"],
            field=mistakes[0].field if error is InvalidInput else None,
            errors=mistakes if error is InvalidInput else None,
        )
    return {"content": {CONTENT_TYPE: content}}


def _errors(route: Route) -> list[type[CollectionsError]]:
    """Return the declared errors and those that the framework raises for such a route."""
    raised: list[type[CollectionsError]] = [InvalidInput, Unavailable, *route.errors]
    if not route.public:
        raised += [Unauthenticated, Forbidden]
    if route.cost != "none":
        raised.append(RateLimited)
    if route.keyed:
        raised += [InFlight, KeyReused]
    if "{" in route.path:
        raised.append(NotFound)
    if route.body or route.raw:
        raised += [TooLarge, UnsupportedMediaType]
    return sorted(raised, key=lambda error: STATUS_OF_ERROR[error])
