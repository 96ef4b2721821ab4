"""Writes the mails that this app sends. They are plain text: mail services rewrite links in HTML to count clicks."""

from typing import Literal

from msgspec import Struct

Kind = Literal["register", "invite", "reset", "known", "unknown", "address", "address_changed"]


class Mail(Struct, frozen=True, kw_only=True):
    """A mail. `text` may have a link that gives access to an account, so a mail is never logged."""

    __repr__ = object.__repr__
    to: str
    subject: str
    text: str


_NOT_YOU = "If it was not you, ignore this mail: nothing happens."
_TEXTS: dict[Kind, tuple[str, str]] = {
    "register": (
        "Finish your account",
        "Somebody, probably you, asked for an account with this address.\n"
        "Open this link within 24 hours and choose a password:\n\n{url}\n\n" + _NOT_YOU,
    ),
    "invite": (
        "You are invited",
        "You are invited to Collections. Open this link within 7 days and choose a password:\n\n{url}\n",
    ),
    "reset": (
        "Choose a new password",
        "Somebody, probably you, asked for a new password.\n"
        "Open this link within an hour and choose one:\n\n{url}\n\n" + _NOT_YOU,
    ),
    "known": (
        "You have an account",
        "Somebody, probably you, asked for an account with this address. It has one: sign in.\n"
        "If you have forgotten the password, choose a new one within an hour:\n\n{url}\n\n" + _NOT_YOU,
    ),
    "unknown": (
        "No account with this address",
        "Somebody, probably you, wanted to sign in with this address. It has no account that may sign in.\n"
        "Perhaps you have one with another address.\n\n" + _NOT_YOU,
    ),
    "address": (
        "Confirm your address",
        "Somebody, probably you, wants to sign in with this address from now on.\n"
        "Open this link within 24 hours to confirm it:\n\n{url}\n\n" + _NOT_YOU,
    ),
    "address_changed": (
        "Your address is being changed",
        "The address of your account is being changed to {address}.\n\n"
        "If it was not you, ask the operator for help at once.",
    ),
}


def write(kind: Kind, *, to: str, url: str = "", address: str = "") -> Mail:
    """Return the mail of this kind. `url` is its link; `address` is the new address in "address_changed"."""
    subject, text = _TEXTS[kind]
    return Mail(to=to, subject=f"Collections: {subject}", text=text.format(url=url, address=address))
