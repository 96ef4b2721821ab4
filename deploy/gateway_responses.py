"""What API Gateway answers by itself, before any of our code runs."""

import json
from typing import Any

# Of a body over 10 MB, or that in base64 is over the 6 MB Lambda takes: about 4.5 MB of PDF.
TOO_LARGE = json.dumps(
    {
        "type": "about:blank",
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": "The body is too large. Files go through POST /api/v1/uploads.",
        "code": "too_large",
        "request_id": "$context.requestId",
    }
)
GATEWAY_RESPONSES: dict[str, Any] = {
    "x-amazon-apigateway-gateway-responses": {
        "REQUEST_TOO_LARGE": {
            "statusCode": 413,
            "responseParameters": {"gatewayresponse.header.Link": "'</api/v1/uploads>; rel=\"alternate\"'"},
            "responseTemplates": {"application/json": TOO_LARGE},
        }
    }
}
