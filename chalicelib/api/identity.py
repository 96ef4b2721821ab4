"""Who is asking. Until accounts exist: the anonymous user, where one is configured."""

from collections.abc import Mapping

from chalicelib import wiring
from chalicelib.api.http import Caller
from chalicelib.errors import Unauthenticated


def identify(headers: Mapping[str, str]) -> Caller:
    """Raises Unauthenticated. On a laptop the anonymous user is the operator too."""
    settings = wiring.settings()
    if settings.anonymous_user is None:
        raise Unauthenticated("Sign in first.")
    return Caller(user_id=settings.anonymous_user, is_admin=settings.environment == "local")
