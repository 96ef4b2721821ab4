"""Signed links that prove an address: their purposes, lifetimes, and the state that makes them valid once.

A link opens the console, with its token behind the #, which no browser sends to a server: it stands in no log and in
no Referer. The token is a JWT under a key that is derived from the sessions' secret for its purpose alone, so that
none passes for one of another purpose, nor for an access token.
"""

import hashlib
import hmac
from typing import Literal

import msgspec
from msgspec import Struct

from chalicelib.errors import InvalidInput, Unauthenticated
from chalicelib.model.accounts.tokens import hs256, key_id, read_header, verified

Purpose = Literal["register", "invite", "reset", "address"]
LIFETIME_S: dict[str, int] = {
    # NIST SP 800-63A-3, 4.4.1.6: a code sent to an email address is good for 24 hours at most.
    "register": 24 * 3600,
    "address": 24 * 3600,
    # Nobody waits for an invitation. NIST SP 800-63A-3, 4.4.1.6: 7 days for a code that is handed over.
    "invite": 7 * 24 * 3600,
    # Whoever asks for it waits for it; a mailbox that is read by others later on opens nothing.
    "reset": 3600,
}


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """`email` is the address that is proved. `state` is the account's when the link was made; see state_of."""

    purpose: Purpose
    email: str
    exp: int
    user_id: str = ""
    state: str = ""


class Links(Struct, frozen=True, kw_only=True):
    """`secrets`: the first signs, links signed by the others are good until they end. `console_url`: no slash last."""

    __repr__ = object.__repr__  # no secret in a log
    secrets: tuple[str, ...]
    console_url: str

    def make(self, purpose: Purpose, *, email: str, now_s: int, user_id: str = "", state: str = "") -> str:
        """Return the address of the console's page for this purpose."""
        ends_at = now_s + LIFETIME_S[purpose]
        claims = Claims(purpose=purpose, email=email, exp=ends_at, user_id=user_id, state=state)
        secret = self.secrets[0]
        headers = {"kid": key_id(secret), "typ": purpose}
        token = hs256().encode(msgspec.json.encode(claims), _key(secret, purpose), "HS256", headers)
        return f"{self.console_url}/#/{purpose}/{token}"

    def read(self, token: str, *purposes: Purpose, now_s: int) -> Claims:
        """Return the claims of a link's token. Raise InvalidInput unless it is for one of the purposes and not over."""
        by_kid = {key_id(secret): secret for secret in self.secrets}
        try:
            header = read_header(token)
            secret, purpose = by_kid.get(str(header.get("kid"))), str(header.get("typ"))
            if secret is None or purpose not in purposes:
                raise _refused("This link is not valid.", "invalid_link")
            claims = verified(hs256(), token, _key(secret, purpose), Claims)
        except Unauthenticated as error:
            raise _refused("This link is not valid.", "invalid_link") from error
        if claims.exp <= now_s:
            raise _refused("This link is over; ask for another one.", "link_expired")
        return claims


def state_of(email: str, password_hash: str) -> str:
    """Return a digest of the fields a link's use changes: the link is valid while the account has this state."""
    return hashlib.sha256(f"{email}\n{password_hash}".encode()).hexdigest()[:32]


def used() -> InvalidInput:
    return _refused("This link was used, or the account has changed since; ask for another one.", "link_used")


def _refused(message: str, code: str) -> InvalidInput:
    return InvalidInput(message, field="token", code=code)


def _key(secret: str, purpose: str) -> str:
    return hmac.digest(secret.encode(), f"collections link 1 {purpose}".encode(), "sha256").hex()
