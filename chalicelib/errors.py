"""Errors that this app raises on purpose.

    CollectionsError            code, message fit for a user, retryable or not
    ├── InvalidInput            the caller's request is wrong; names the field
    ├── Unauthenticated         nobody is signed in
    ├── Forbidden               signed in, but not allowed
    ├── NotFound                it does not exist, or it is another user's: the same answer
    ├── Conflict                it contradicts what is there
    │   └── InFlight            the same request is still being answered
    ├── KeyReused               the Idempotency-Key was used for another request
    ├── TooLarge                over a size limit
    ├── RateLimited             asked too often; retry_after_s says when again
    ├── BudgetSpent             the models may cost no more this month; work waits, and costs no attempt
    ├── BadFile                 an uploaded file can never be processed; the reason code says why
    ├── Unavailable             a dependency is not available; try again (retryable)
    │   ├── Throttled           a provider asks to slow down; retry_after_s says how long
    │   └── Misconfigured       our key, our policy: no attempt of the item is burnt
    │       └── InvalidSetting  a variable is missing or wrong; the log names it, the answer does not
    ├── ModelRefused            the chat model does not want to answer this
    ├── UpstreamFailed          a service behind the gateway gave no answer that can be handed on
    │   ├── UpstreamUnreachable it was not even asked: no connection
    │   └── UpstreamTimeout     it took too long
    └── LeaseLost               another worker owns the task now; write nothing

Foreign exceptions (psycopg2, botocore, h11) become one of these in the adapter that
calls the library, and nowhere else. Nothing here knows of HTTP: api/ maps codes to statuses.
"""

from collections.abc import Sequence
from typing import Any


class CollectionsError(Exception):
    """Base: `code` is stable and machine-readable, `message` is fit for a user.

    `field` is the path of the part of the request that is at fault, "" for none or the whole.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class InvalidInput(CollectionsError):
    """`mistakes` is all that is wrong, this error itself when that is one thing."""

    code = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str = "",
        mistakes: Sequence["InvalidInput"] = (),
    ) -> None:
        super().__init__(message, code=code, field=field)
        self.mistakes = tuple(mistakes) or (self,)


class Unauthenticated(CollectionsError):
    code = "unauthenticated"


class Forbidden(CollectionsError):
    code = "forbidden"


class NotFound(CollectionsError):
    code = "not_found"


class Conflict(CollectionsError):
    code = "conflict"


class InFlight(Conflict):
    """The same request is still being answered, for `retry_after_s` at most."""

    code = "request_in_flight"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class KeyReused(CollectionsError):
    code = "idempotency_key_reused"


class TooLarge(CollectionsError):
    code = "too_large"


class RateLimited(CollectionsError):
    """`admission` is the model.limits.Admission that refused."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float, admission: Any) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.admission = admission


class BudgetSpent(CollectionsError):
    """The work would cost more than the budget has left: the user's, or the stage's."""

    code = "budget_spent"


class BadFile(CollectionsError):
    """The file can never be processed; `code` is the item's reason code.

    `codec` is the coding of an image that is not read because of it, a key of model.files.CODECS or unknown.
    """

    code = "bad_file"
    codec: str | None = None


class Unavailable(CollectionsError):
    """`at_once`: the same request may be sent again now, after `retry_after_s` if that is known."""

    code = "unavailable"
    retryable = True
    retry_after_s: float | None = None
    at_once = False


class Throttled(Unavailable):
    code = "throttled"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Misconfigured(Unavailable):
    code = "misconfigured"


class InvalidSetting(Misconfigured):
    """A variable is missing or wrong. `reason` starts with its name and never holds its value; it is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.message = "This stage is not set up: a setting is missing or wrong. Its log names the setting."


class ModelRefused(CollectionsError):
    code = "model_refused"


class UpstreamFailed(CollectionsError):
    code = "upstream_failed"


class UpstreamUnreachable(UpstreamFailed):
    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamFailed):
    code = "upstream_timeout"


class LeaseLost(CollectionsError):
    code = "lease_lost"
