"""Makes the examples of the OpenAPI document from its schemas, so that they always fit.

Where a schema leaves a value open, the value is looked up here by the member's name.
"""

from collections.abc import Mapping
from typing import Any

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_ID = "0198a3f2-7c41-7d0e-9b1a-5f2c8e6d4b37"
_NOW = "2026-01-31T09:30:00Z"
_LATER = "2026-01-31T09:45:00Z"
_PAGE = "/api/v1/documents/balcony-tomatoes/pages/2"
_QUOTE = "Water the plants in the morning."
VALUES: Mapping[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
    "address": "192.0.2.7",
    "at": _NOW,
    "attempt": 1,
    "attempts": 1,
    "after": None,
    "camera": "Pixel 8",
    "category": "garden",
    "begins": "2026-01-01",
    "checks": {"database": "ok", "dynamodb": "ok"},
    "code": "invalid_input",
    "collection_id": _ID,
    "complete_url": f"/api/v1/uploads/{_ID}/complete",
    "content": "When should I water the tomatoes?",
    "conversation_id": _ID,
    "cost_usd": "0.054399",
    "created_at": _NOW,
    "current_password": "correct horse battery",
    "date": "2026-01-31",
    "day": "2026-01-31",
    "description": "Everything about the balcony",
    "detail": "limit must be at most 100.",
    "document_id": "balcony-tomatoes",
    "email": "ann@example.org",
    "embedding_model": "voyage-4",
    "environment": "production",
    "error": None,
    "etag": "9b2cf535f27731c974343645a3985328",
    "event": "finished",
    "expires_at": _LATER,
    "expires_in": 900,
    "failed_at": _NOW,
    "failure": None,
    "field": "limit",
    "fields": {"key": "ann/0198a3f27c41/balcony.jpg", "Content-Type": "image/jpeg"},
    "file_hash": _SHA256,
    "file_url": "/api/v1/documents/balcony-tomatoes/file",
    "filename": "balcony.jpg",
    "finished_at": _LATER,
    "height_px": 3000,
    "image_url": f"{_PAGE}/image",
    "item_id": "balcony-tomatoes",
    "item_ids": ["balcony-tomatoes", "holiday-beach"],
    "item_name": "balcony-tomatoes.pdf",
    "key": "ann/0198a3f27c41/balcony.jpg",
    "language": "en",
    "last_error": None,
    "last_used_at": _NOW,
    "latitude": 52.37,
    "limit_usd": "5",
    "longitude": 4.89,
    "media_type": "image/jpeg",
    "message_id": _ID,
    "model": "gpt-4.1-mini",
    "name": "Balcony",
    "next": None,
    "next_attempt_at": None,
    "next_url": "/api/v1/documents/balcony-tomatoes/pages/3",
    "number": 1,
    "oidc_issuer": None,
    "operation": "chat",
    "page_image_url": f"{_PAGE}/image?highlight=120-152",
    "page_url": _PAGE,
    "part_size_bytes": 16_777_216,
    "password": "correct horse battery",
    "plan": "free",
    "prefix": "ck_3fQ1",
    "previous_url": "/api/v1/documents/balcony-tomatoes/pages/1",
    "provider": "openai",
    "query": "when to water tomatoes",
    "question": "When should I water the tomatoes?",
    "quote": _QUOTE,
    "quota": 200,
    "reason": "provider_unavailable",
    "received_at": _NOW,
    "refresh_token": "u-ann.0198a3f27c41.c2VjcmV0",
    "ready_at": _LATER,
    "request_id": "7f0c1c7e-2f3b-4b0e-9a63-3a1f5c9d2e10",
    "rerank_model": None,
    "rerank_provider": None,
    "reserved_usd": "0.02",
    "score": 0.87,
    "session_expires_at": 1_772_000_000,
    "sha256": _SHA256,
    "size_bytes": 2_400_000,
    "snippet": _QUOTE,
    "spent_usd": "1.25",
    "summary": "Tomato plants on a sunny balcony.",
    "taken_at": "2026-01-31T09:12:00Z",
    "text": _QUOTE,
    "text_in_image": "",
    "thumbnail_url": "/api/v1/items/balcony/thumbnail",
    "title": "Tomatoes on the balcony",
    "updated_at": _LATER,
    "upload_date": _NOW,
    "url": "https://bucket.s3.eu-west-1.amazonaws.com/",
    "user_agent": "Mozilla/5.0",
    "user_id": "u-ann",
    "width_px": 4000,
    "window_s": 20,
}
MISTAKES = {
    "limit": "limit must be at most 100.",
    "q": "Unknown parameter `q`; known: limit, after.",
}
DETAILS = {  # by the error's code
    "unauthenticated": "Sign in first.",
    "forbidden": "This needs an administrator's account.",
    "not_found": "There is nothing here.",
    "conflict": "You have a collection of this name already.",
    "request_in_flight": "The same request is still being answered; send it again later.",
    "idempotency_key_reused": "This Idempotency-Key was used for another request; use a new key.",
    "too_large": "The body must have at most 1000000 bytes.",
    "unsupported_media_type": "The body must be application/json in UTF-8.",
    "rate_limited": "Too many requests; try again in 3 s.",
    "budget_spent": "Your budget of 5 USD a month for models is spent. It begins anew on 2026-02-01.",
    "bad_file": "The file is damaged.",
    "unavailable": "The database is not available; try again soon.",
    "throttled": "The model is asked too often; try again soon.",
    "misconfigured": "This is not set up here.",
    "model_refused": "The model does not answer this.",
}


def example_of(
    schema: Mapping[str, Any], components: Mapping[str, Any], name: str = "", *, sent: bool = False
) -> Any:
    """Return a value of the schema.

    An example of what a client sends has the required members, or else the first one.
    """
    schema = _resolved(schema, components)
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if "enum" in schema:
        return schema["enum"][0]
    if name in VALUES and _fits(VALUES[name], schema):
        return VALUES[name]
    if schema.get("anyOf"):
        return example_of(options[0], components, name, sent=sent)
    if schema["type"] == "object":
        return _object(schema, components, name, sent=sent)
    if schema["type"] == "array":
        each = name.removesuffix("s")
        types = schema.get("prefixItems") or [schema["items"]]
        return [example_of(type_, components, each, sent=sent) for type_ in types]
    if schema["type"] == "string":
        return _NOW if schema.get("format") == "date-time" else _ID if name.endswith("id") else name
    least = schema.get("minimum", 0)
    return {"integer": max(1, least), "number": max(0.5, least), "boolean": False}.get(schema["type"])


def _object(
    schema: Mapping[str, Any], components: Mapping[str, Any], name: str, *, sent: bool
) -> dict[str, Any]:
    members = schema.get("properties")
    if members is None:
        others = schema.get("additionalProperties")
        return {"name": example_of(others, components, name, sent=sent)} if others else {}
    wanted = (schema.get("required") or list(members)[:1]) if sent else members
    return {each: example_of(members[each], components, each, sent=sent) for each in wanted}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    types = {each.get("type") for each in schema.get("anyOf", (schema,))}
    kinds = {
        "null": type(None),
        "string": str,
        "integer": int,
        "number": float,
        "array": list,
        "object": dict,
    }
    return any(type(value) is kinds.get(type_) for type_ in types)


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found
