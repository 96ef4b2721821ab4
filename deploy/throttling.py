"""Limits of requests a second, and tracing, of the API's stage: Chalice has no settings for them.

The template has them as parameters; after `chalice deploy`, deploy/deploy.sh sets them by limit_rate.
"""

from typing import Any

RATE_LIMIT, BURST_LIMIT = 50, 100


def limit_rate(apigateway: Any, *, api_id: str, stage: str, traced: bool) -> None:
    """Set the limits on all methods of the API's stage."""
    values = {
        "/*/*/throttling/rateLimit": str(RATE_LIMIT),
        "/*/*/throttling/burstLimit": str(BURST_LIMIT),
        "/tracingEnabled": str(traced).lower(),
    }
    operations = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    apigateway.update_stage(restApiId=api_id, stageName=stage, patchOperations=operations)
