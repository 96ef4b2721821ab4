"""Responses that API Gateway makes itself, before the app runs or if the app gives no response.

They have the same form as the app's problems. Pages of every origin may read them, as they are the same for everybody.
"""

import json
from http import HTTPStatus
from typing import Any

READABLE = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Link, Retry-After"}
UNANSWERED = "The app did not respond in time; try again soon."


def answer(status: HTTPStatus, code: str, detail: str, **headers: str) -> dict[str, Any]:
    """Return a gateway response with a problem as its body. In `headers`, underscores stand for dashes."""
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        "request_id": "$context.requestId",
    }
    return {
        "statusCode": status.value,
        "responseParameters": parameters({name.replace("_", "-"): value for name, value in headers.items()}),
        "responseTemplates": {"application/json": json.dumps(problem)},
    }


def parameters(headers: dict[str, str]) -> dict[str, str]:
    """Return constant headers as API Gateway takes them, in quotes, together with the headers of READABLE."""
    return {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in {**READABLE, **headers}.items()}


# For a body over 10 MB, or one that is over Lambda's limit of 6 MB in base64: about 4.5 MB of PDF.
TOO_LARGE = answer(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_large",
    "The body is too large. Files go through POST /api/v1/uploads.",
    Link='</api/v1/uploads>; rel="alternate"',
)
GATEWAY_RESPONSES: dict[str, Any] = {
    "x-amazon-apigateway-gateway-responses": {
        "REQUEST_TOO_LARGE": TOO_LARGE,
        "THROTTLED": answer(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests; try again in 1 s.",
            Retry_After="1",
        ),
        "MISSING_AUTHENTICATION_TOKEN": answer(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here."),
        "INTEGRATION_TIMEOUT": answer(
            HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", UNANSWERED, Retry_After="5"
        ),
        "INTEGRATION_FAILURE": answer(
            HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", UNANSWERED, Retry_After="5"
        ),
        "DEFAULT_4XX": {"responseParameters": parameters({})},
        "DEFAULT_5XX": answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side."
        ),
    }
}
