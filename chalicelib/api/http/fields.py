"""Fields that several routes take."""

from typing import Annotated

from msgspec import Meta

from chalicelib.model.accounts import passwords
from chalicelib.model.names import MAX_NAME_CHARS

# ASCII: Postgres' lower() and Python's differ beyond it ("İ"), and then a login is not counted for its account.
# `$` alone would let a line's end pass. A domain in other letters has its xn-- form.
_EXPECTED = {"expected": "must be an email address, such as ann@example.org"}
Email = Annotated[
    str, Meta(pattern=r"^[!-?A-~]{1,64}@[!-?A-~]{1,189}(?!\s)$", max_length=254, extra=_EXPECTED)
]
# A new one, as RFC 5321 spells it without quotes, and such that `Email` takes it at the login. "x<ann@example.org>"
# would be another address to us, and Ann's to whoever delivers the mail.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = (
    r"^(?!\.|.*\.\.|.*\.@|.*@.{190})[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@"
    rf"(?:{_LABEL}\.)+{_LABEL}(?!\s)$"
)
MailAddress = Annotated[str, Meta(pattern=ADDRESS, max_length=254, extra=_EXPECTED)]
Name = Annotated[str, Meta(max_length=200)]
# Of what a user makes and tells apart by its name: a collection, a deck.
UniqueName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        description="One line, one of a kind in whatever case; kept in NFC, without white space around it.",
    ),
]
LinkToken = Annotated[
    str, Meta(min_length=1, max_length=2000, description="What follows the last / of a link.")
]
Password = Annotated[str, Meta(max_length=passwords.MAX_TYPED_CHARS)]
NewPassword = Annotated[
    str,
    Meta(
        max_length=passwords.MAX_TYPED_CHARS,
        description=f"{passwords.MIN_CHARS} characters to {passwords.MAX_BYTES} bytes once it is normalised (RFC 8265);"
        " not the address.",
    ),
]
