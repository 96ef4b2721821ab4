"""A lost password is set anew by its account's owner alone, with a link that comes by mail."""

import pytest

from tests.support.mailbox import NEW, Mailbox
from tests.support.people import People

# A new password


def test_a_link_sets_a_new_password_once_and_ends_all_sessions(people: People, mailbox: Mailbox) -> None:
    here = mailbox.join("ann@example.org")
    there, key = people.log_in("ann@example.org").body, people.key(here["access_token"], "read")
    mailbox.ask("password-resets", "ann@example.org")
    token = mailbox.link("reset")
    assert mailbox.set_password(token, "short").body["field"] == "password"
    assert people.me(here["access_token"]).status == 200
    reply = mailbox.set_password(token)
    assert (reply.status, reply.body["email"]) == (200, "ann@example.org")
    for tokens in (here, there):
        assert (
            people.me(tokens["access_token"]).status == people.refresh(tokens["refresh_token"]).status == 401
        )
    assert (people.log_in("ann@example.org").status, people.log_in("ann@example.org", NEW).status) == (
        401,
        201,
    )
    assert people.me(X_Api_Key=key).status == 200
    assert mailbox.set_password(token, "yet another password").code == "link_used"
    assert people.log_in("ann@example.org", NEW).status == 201


def test_without_dynamodb_a_reset_changes_nothing_and_the_link_stays_good(
    people: People, mailbox: Mailbox
) -> None:
    mailbox.join("ann@example.org")
    mailbox.ask("password-resets", "ann@example.org")
    people.set(SESSIONS_TABLE="gone")
    assert mailbox.set_password(mailbox.link("reset")).status == 503
    people.set(SESSIONS_TABLE="collections-sessions-local")
    assert people.log_in("ann@example.org").status == 201
    assert mailbox.set_password(mailbox.link("reset")).status == 200


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET password_hash = 'another'",
        "UPDATE accounts SET email = 'ann@elsewhere.example'",
        "UPDATE accounts SET disabled_at = now()",
        "DELETE FROM accounts",
    ],
)
def test_a_link_is_void_once_the_account_has_changed(people: People, mailbox: Mailbox, change: str) -> None:
    mailbox.join("ann@example.org")
    mailbox.ask("password-resets", "ann@example.org")
    people.world.sql(change)
    reply = mailbox.set_password(mailbox.link("reset"))
    assert (reply.status, reply.code, reply.body["field"]) == (400, "link_used", "token")
