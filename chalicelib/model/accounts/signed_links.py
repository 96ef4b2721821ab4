"""Makes and reads signed links that prove an email address: their purposes, their lifetimes, and their single use.

A link opens the console. The token stands behind the #, which browsers do not send to servers, so it appears in no
log and in no Referer. The token is a JWT. Its key is derived from the sessions' secret for one purpose, so that it
cannot pass for a token of another purpose, or for an access token.
"""

import hashlib
import hmac
from typing import Literal

import msgspec
from msgspec import Struct

from chalicelib.errors import InvalidInput, Unauthenticated
from chalicelib.model.accounts.accounts import PasswordAccount
from chalicelib.model.accounts.tokens import hs256, key_id, read_header, verified

Purpose = Literal["register", "invite", "reset", "address"]
LIFETIME_S: dict[str, int] = {
    # NIST SP 800-63A-3, 4.4.1.6: a code sent to an email address is valid for at most 24 hours.
    "register": 24 * 3600,
    "address": 24 * 3600,
    # An invited person is not waiting for the link. NIST SP 800-63A-3, 4.4.1.6: 7 days for a code handed over.
    "invite": 7 * 24 * 3600,
    # The user is waiting for the link. A short lifetime protects against people who read the mailbox later.
    "reset": 3600,
}


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a link. `email` is the address that it proves.

    `state` is the account's state when the link was made; see state_of.
    """

    purpose: Purpose
    email: str
    exp: int
    user_id: str = ""
    state: str = ""


class Links(Struct, frozen=True, kw_only=True):
    """Makes and reads links. The first of `secrets` signs; links signed with the others stay valid until they expire.

    `console_url` has no slash at its end.
    """

    __repr__ = object.__repr__  # no secret in a log
    secrets: tuple[str, ...]
    console_url: str

    def make(self, purpose: Purpose, *, email: str, now_s: int, user_id: str = "", state: str = "") -> str:
        """Return the URL of the console's page for this purpose, with the token."""
        ends_at = now_s + LIFETIME_S[purpose]
        claims = Claims(purpose=purpose, email=email, exp=ends_at, user_id=user_id, state=state)
        secret = self.secrets[0]
        headers = {"kid": key_id(secret), "typ": purpose}
        token = hs256().encode(msgspec.json.encode(claims), _key(secret, purpose), "HS256", headers)
        return f"{self.console_url}/#/{purpose}/{token}"

    def read(self, token: str, *purposes: Purpose, now_s: int) -> Claims:
        """Return the claims of a link's token.

        Raise InvalidInput if the token is not valid, is for none of the purposes, or has expired.
        """
        by_kid = {key_id(secret): secret for secret in self.secrets}
        try:
            header = read_header(token)
            secret, purpose = by_kid.get(str(header.get("kid"))), str(header.get("typ"))
            if secret is None or purpose not in purposes:
                raise _link_error("This link is not valid.", "invalid_link")
            claims = verified(hs256(), token, _key(secret, purpose), Claims)
        except Unauthenticated as error:
            raise _link_error("This link is not valid.", "invalid_link") from error
        if claims.exp <= now_s:
            raise _link_error("This link has expired; ask for another one.", "link_expired")
        return claims


def state_of(account: PasswordAccount) -> str:
    """Return a digest of the account's values that using a link changes. A link is valid while they are unchanged.

    The number of address changes is one of them: an address may become again what it was.
    """
    values = f"{account.email}\n{account.password_hash}\n{account.address_changes}"
    return hashlib.sha256(values.encode()).hexdigest()[:32]


def link_used_error() -> InvalidInput:
    return _link_error(
        "This link was used, or the account has changed since; ask for another one.", "link_used"
    )


def _link_error(message: str, code: str) -> InvalidInput:
    return InvalidInput(message, field="token", code=code)


def _key(secret: str, purpose: str) -> str:
    return hmac.digest(secret.encode(), f"collections link 1 {purpose}".encode(), "sha256").hex()
