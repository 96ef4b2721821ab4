"""Signs deliveries as Standard Webhooks has it (standardwebhooks.com, version 1 of the signature: HMAC-SHA256)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

PREFIX = "whsec_"
SECRET_BYTES = 32  # the standard: 24 to 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def body_of(event: str, at: datetime, data: Any) -> bytes:
    """Return the JSON that is sent and signed: the same bytes at each attempt."""
    return msgspec.json.encode({"type": event, "timestamp": at.astimezone(UTC), "data": data})


def signed_headers(
    message_id: str, body: bytes, signing_secrets: Sequence[str], *, now_s: int
) -> Mapping[str, str]:
    """Return the standard's three headers; the signature has one entry for each secret, separated by spaces."""
    signed = f"{message_id}.{now_s}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in signing_secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
