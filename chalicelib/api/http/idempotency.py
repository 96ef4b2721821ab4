"""Idempotency-Key: a request that creates something can be sent again and still creates it once.

The first successful response is kept for 24 hours. The same request under the same key gets it again, byte for byte.
A refusal is not kept, because it created nothing. When the process dies between effect and response, the next request
runs with the same `creation_id`, and so finds what the first one created.
"""

import hashlib
from collections.abc import Callable

import msgspec
from chalice.app import Response as ChaliceResponse
from msgspec.structs import replace

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Route
from chalicelib.errors import CollectionsError, InvalidInput
from chalicelib.ops import idempotency
from chalicelib.patterns import pattern

HEADER = "Idempotency-Key"
_KEY = pattern(r"[\x21-\x7e]{1,255}\Z")


def respond_once(
    route: Route, request: Request, respond: Callable[[Route, Request], ChaliceResponse]
) -> ChaliceResponse:
    """Respond, or give the answer again that this request got before. Raise InFlight and KeyReused."""
    key = request.headers.get(HEADER.lower())
    if key is None:
        return respond(route, request)
    if not _KEY.match(key):
        raise InvalidInput(f"{HEADER} must be 1 to 255 visible ASCII characters.", field=HEADER)
    db = wiring.database()
    found = idempotency.claim_key(request.user_id, key, fingerprint=_fingerprint(route, request), db=db)
    if isinstance(found, idempotency.StoredResponse):
        return ChaliceResponse(found.body, {**found.headers, "Idempotency-Replayed": "true"}, found.status)
    try:
        response = respond(route, replace(request, creation_id=found.creation_id))
    except CollectionsError as error:
        if not error.retryable:
            idempotency.release_key(found, db=db)
        raise
    headers = {name: str(value) for name, value in response.headers.items()}
    answer = idempotency.StoredResponse(status=response.status_code, headers=headers, body=response.body)
    idempotency.store_response(found, answer, db=db)
    return response


def _fingerprint(route: Route, request: Request) -> str:
    """Return a digest of the parsed request: spaces and the order of members do not matter."""
    asked = [route.method, route.path, request.path, request.query, request.body]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
