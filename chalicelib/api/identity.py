"""Who is asking. Until accounts exist: the anonymous user, where one is configured."""

from collections.abc import Mapping

from chalicelib import wiring
from chalicelib.errors import Unauthenticated


def identify(headers: Mapping[str, str]) -> str:
    """The caller's user id. Raises Unauthenticated."""
    user = wiring.settings().anonymous_user
    if user is None:
        raise Unauthenticated("Sign in first.")
    return user
