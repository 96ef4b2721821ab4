"""Does in Lambda's init phase what the first request of a process would wait for."""

from chalicelib import wiring
from chalicelib.ops.accounts import accounts, admit, api_keys, sessions


def warm_up() -> None:
    """Load what nearly every request needs: how it is counted, who asks, Postgres and DynamoDB. Call nobody."""
    wiring.warm_up()
    # The use of a name runs the op's module.
    _ = admit.admit, sessions.find_session, accounts.find_external, api_keys.find_key
