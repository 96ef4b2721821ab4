"""Idempotency-Key: a request that creates may be sent again, and creates once.

The first answer of success is kept for 24 hours and given again, byte for byte, to whoever sends the same
request under the same key; a refusal is not kept, for it made nothing. When the process dies between effect
and answer, the next sending runs with the same `creation_id` and so finds what the first one made.
"""

import hashlib
import re
from collections.abc import Callable

import msgspec
from chalice.app import Response as ChaliceResponse
from msgspec.structs import replace

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Route
from chalicelib.errors import CollectionsError, InvalidInput
from chalicelib.ops import idempotency
from chalicelib.ops.idempotency import KeptAnswer

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


def answer_once(
    route: Route, request: Request, respond: Callable[[Route, Request], ChaliceResponse]
) -> ChaliceResponse:
    """Respond, or give the answer again that this request got before. Raises InFlight and KeyReused."""
    key = request.headers.get(HEADER.lower())
    if key is None:
        return respond(route, request)
    if not _KEY.match(key):
        raise InvalidInput(f"{HEADER} must be 1 to 255 visible ASCII characters.", field=HEADER)
    db = wiring.database()
    found = idempotency.claim_key(request.user_id, key, fingerprint=_fingerprint(route, request), db=db)
    if isinstance(found, KeptAnswer):
        return ChaliceResponse(found.body, {**found.headers, "Idempotency-Replayed": "true"}, found.status)
    try:
        response = respond(route, replace(request, creation_id=found.creation_id))
    except CollectionsError as error:
        if not error.retryable:
            idempotency.release_key(found, db=db)
        raise
    headers = {name: str(value) for name, value in response.headers.items()}
    answer = KeptAnswer(status=response.status_code, headers=headers, body=response.body)
    idempotency.keep_answer(found, answer, db=db)
    return response


def _fingerprint(route: Route, request: Request) -> str:
    """Of what was asked, as it was understood: spaces and the order of members do not matter."""
    asked = [route.method, route.path, request.path, request.query, request.body]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
