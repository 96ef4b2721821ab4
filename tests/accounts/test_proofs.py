"""Accounts by mail: an address is proved before it has an account, a lost password is set anew by its owner alone."""

import json
from time import time
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.ops.accounts import proofs
from tests.support.mailbox import NEW, SENDER, Mailbox, accounts, change
from tests.support.people import People, Reply, SomebodyWrites


def said(reply: Reply, email: str) -> tuple[int, str]:
    """Return the status and the body, with one name for the address and the request."""
    body = {**reply.body, "request_id": ""} if reply.status >= 400 else reply.body
    return reply.status, json.dumps(body).replace(email, "*")


# Registering


def test_there_is_no_account_before_its_address_is_proved(people: People, mailbox: Mailbox) -> None:
    assert people("GET", "/api/v1/registration").body["verify_email"] is True
    reply = mailbox.ask("registration", "Ann@example.org")
    assert (reply.status, reply.body["email"]) == (202, "Ann@example.org")
    assert (accounts(people), people.log_in("ann@example.org").status) == ([], 401)
    ((mail,), token) = mailbox.mails(), mailbox.link("register")
    assert (mail.source, mail.destinations["ToAddresses"]) == (SENDER, ["Ann@example.org"])
    made = mailbox.make_account(token, name="Ann")
    assert (made.status, made.body["email"]) == (201, "Ann@example.org")
    me = people.me(people.log_in("ann@example.org").body["access_token"]).body
    assert (me["email"], me["name"], me["role"]) == ("Ann@example.org", "Ann", "user")
    again = mailbox.make_account(token, NEW)
    assert (again.status, again.code) == (400, "link_used")
    assert people.log_in("ann@example.org").status == 201


def test_who_registers_anothers_address_neither_takes_it_nor_chooses_its_password(
    people: People, mailbox: Mailbox
) -> None:
    for field in ("password", "name"):
        reply = mailbox.ask("registration", "ann@example.org", **{field: "the attacker's own choice"})
        assert (reply.status, reply.body["field"]) == (400, field)
    assert mailbox.mails() == []
    mailbox.ask("registration", "ann@example.org")
    first = mailbox.link("register")
    mailbox.ask("registration", "ann@example.org")  # Ann's own: nothing stands in its way
    assert mailbox.make_account(mailbox.link("register"), "a password of Ann's own").status == 201
    assert mailbox.make_account(first, "the attacker's own choice").code == "link_used"
    assert people.log_in("ann@example.org", "a password of Ann's own").status == 201
    assert people.log_in("ann@example.org", "the attacker's own choice").status == 401


def test_a_wrong_password_for_a_new_account_leaves_the_link_good(mailbox: Mailbox) -> None:
    mailbox.ask("registration", "ann@example.org")
    token = mailbox.link("register")
    for password in ("short", "ann@example.org"):
        reply = mailbox.make_account(token, password)
        assert (reply.status, reply.body["field"]) == (400, "password")
    assert mailbox.make_account(token).status == 201


def test_closing_registration_closes_the_links_that_are_out(people: People, mailbox: Mailbox) -> None:
    mailbox.ask("registration", "ann@example.org")
    people.set(REGISTRATION_OPEN=None)
    reply = mailbox.make_account(mailbox.link("register"))
    assert (reply.status, reply.code, accounts(people)) == (403, "registration_closed", [])


@pytest.mark.parametrize("path", ["registration", "password-resets"])
def test_nobody_learns_whether_an_address_has_an_account(
    people: People, mailbox: Mailbox, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.join("Ann@example.org")
    mailbox.join("eve@example.org")
    people.world.sql("UPDATE accounts SET disabled_at = now() WHERE email = 'eve@example.org'")
    asked = ("ann@example.org", "eve@example.org", "nobody@example.org")
    before = len(mailbox.mails())
    answers = {said(mailbox.ask(path, email), email) for email in asked}
    assert len(answers) == 1 and answers.pop()[0] == 202
    # One mail each, so that it takes as long; to Ann as she wrote her address, not as somebody else did.
    assert mailbox.to()[before:] == ["Ann@example.org", *asked[1:]]
    first = {"registration": "You have an account", "password-resets": "Choose a new password"}[path]
    last = {"registration": "Finish your account", "password-resets": "No account with this address"}[path]
    assert mailbox.subjects()[before:] == [first, "No account with this address", last]
    people.world.aws.client("sesv2").delete_email_identity(EmailIdentity="example.org")
    refused = {said(mailbox.ask(path, email), email) for email in asked}
    assert len(refused) == 1 and refused.pop()[0] == 503
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")
    wiring.mailer.forget()
    away = [mailbox.ask(path, email) for email in asked]
    assert {(reply.status, reply.code) for reply in away} == {(503, "mail_unavailable")}
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in away)


def test_who_registers_with_an_address_that_has_an_account_gets_into_it_by_mail(
    people: People, mailbox: Mailbox
) -> None:
    mailbox.join("ann@example.org")
    mailbox.ask("registration", "ANN@example.org")
    assert people.log_in("ann@example.org").status == 201, "it is as it was"
    assert mailbox.set_password(mailbox.link("reset")).body["email"] == "ann@example.org"
    assert people.log_in("ann@example.org", NEW).status == 201


@pytest.mark.parametrize(
    "email",
    [
        "x<ann@example.org>",
        "ann@example.org,eve",
        '"ann"@example.org',
        "ann(x)@example.org",
        "ann;eve@example.org",
        "a..n@example.org",
        ".ann@example.org",
        "ann@example.org.",
        "ann@-example.org",
        "ann@localhost",
        "ann@[127.0.0.1]",
        "ann@example.org\n",
        "a" * 65 + "@example.org",
        "ann@" + "e" * 63 + ("." + "e" * 63) * 3,
    ],
)
def test_an_address_that_mail_services_read_otherwise_is_refused(mailbox: Mailbox, email: str) -> None:
    for path in ("registration", "password-resets"):
        reply = mailbox.ask(path, email)
        assert (reply.status, reply.body["field"]) == (400, "email")
    assert mailbox.mails() == []


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


# Another address


def test_an_address_is_changed_once_the_new_one_is_proved_and_the_old_one_is_told(
    people: People, mailbox: Mailbox
) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    wrong = change(people, token, "new@example.org", "not the password")
    assert (wrong.status, wrong.body["field"], mailbox.to()) == (400, "current_password", ["ann@example.org"])
    assert change(people, token, "ANN@example.org").body["field"] == "email"
    assert change(people, token, "New@example.org").status == 202
    assert people.me(token).body["email"] == "ann@example.org"
    link = mailbox.link("address")
    confirmed = people("POST", "/api/v1/verifications", {"token": link})
    assert (confirmed.status, confirmed.body["email"]) == (200, "New@example.org")
    assert people.me(token).body["email"] == "New@example.org"
    assert mailbox.to() == ["ann@example.org", "New@example.org", "ann@example.org"]
    assert "New@example.org" in mailbox.mails()[-1].body
    assert (people.log_in("ann@example.org").status, people.log_in("new@example.org").status) == (401, 201)
    assert people("POST", "/api/v1/verifications", {"token": link}).code == "link_used"


def test_a_link_is_void_although_the_address_is_again_what_it_was(people: People, mailbox: Mailbox) -> None:
    """A mistyped address is a stranger's: once its change is undone, the stranger's link must not do it again."""
    token = mailbox.join("ann@example.org")["access_token"]
    change(people, token, "typo@example.org")
    strangers = mailbox.link("address")
    mailbox.ask("password-resets", "ann@example.org")
    reset = mailbox.link("reset")
    assert people("POST", "/api/v1/verifications", {"token": strangers}).status == 200
    change(people, token, "ann@example.org")
    assert people("POST", "/api/v1/verifications", {"token": mailbox.link("address")}).status == 200
    assert people("POST", "/api/v1/verifications", {"token": strangers}).code == "link_used"
    assert mailbox.set_password(reset).code == "link_used"
    assert people.me(token).body["email"] == "ann@example.org"


def test_while_the_old_address_cannot_be_told_nothing_changes(
    people: People, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    change(people, token, "new@example.org")
    link = mailbox.link("address")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")
    wiring.mailer.forget()
    assert people("POST", "/api/v1/verifications", {"token": link}).status == 503
    assert people.me(token).body["email"] == "ann@example.org"
    monkeypatch.delenv("AWS_ENDPOINT_URL_SESV2")
    wiring.mailer.forget()
    assert people("POST", "/api/v1/verifications", {"token": link}).status == 200


def test_of_two_new_addresses_confirmed_at_once_one_wins(people: People, mailbox: Mailbox) -> None:
    token, confirmed = mailbox.join("ann@example.org")["access_token"], []
    change(people, token, "first@example.org")
    first = mailbox.link("address")
    change(people, token, "second@example.org")
    second = mailbox.link("address")

    def meanwhile() -> None:
        confirmed.append(people("POST", "/api/v1/verifications", {"token": second}).status)

    kept: dict[str, Any] = {"links": wiring.links(), "mailer": wiring.mailer(), "now_s": int(time())}
    with pytest.raises(InvalidInput):
        proofs.confirm_address(first, db=SomebodyWrites(wiring.database(), meanwhile), **kept)
    assert (confirmed, people.me(token).body["email"]) == ([200], "second@example.org")


def test_an_address_that_is_taken_is_not_told_of_nor_taken_over(people: People, mailbox: Mailbox) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    mailbox.join("eve@example.org")
    free, taken = change(people, token, "new@example.org"), change(people, token, "eve@example.org")
    assert said(free, "new@example.org") == said(taken, "eve@example.org")
    assert mailbox.subjects()[-1] == "You have an account" and mailbox.to()[-1] == "eve@example.org"
    change(people, token, "late@example.org")
    link = mailbox.link("address")
    mailbox.join("late@example.org")
    assert people("POST", "/api/v1/verifications", {"token": link}).code == "link_used"
    assert people.me(token).body["email"] == "ann@example.org"


def test_a_user_changes_no_address_but_their_own(people: People, mailbox: Mailbox) -> None:
    mailbox.join("ann@example.org")
    mailbox.join("eve@example.org")
    ((ann,),) = people.world.sql("SELECT user_id FROM accounts WHERE email = 'ann@example.org'")
    people.world.db.transact(ann, lambda tx: tx.run("UPDATE accounts SET email = 'mine@example.org'"))
    assert accounts(people) == ["mine@example.org", "eve@example.org"]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        people.world.db.transact_as_gatekeeper(lambda tx: tx.run("UPDATE accounts SET email = 'x@y.example'"))


# Invitations


def test_an_administrator_invites_while_registration_is_closed(people: People, mailbox: Mailbox) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    people.set(REGISTRATION_OPEN=None)

    def invite(email: str, **headers: Any) -> Reply:
        return people("POST", "/api/v1/invitations", {"email": email}, **headers)

    assert (invite("bob@example.org").status, invite("bob@example.org", token=token).code) == (
        401,
        "forbidden",
    )
    people.promote("ann@example.org")
    assert invite("bob@example.org", token=token).status == 202
    assert mailbox.to()[-1] == "bob@example.org"
    assert mailbox.make_account(mailbox.link("invite")).status == 201
    bob = people.me(people.log_in("bob@example.org").body["access_token"]).body
    assert (bob["email"], bob["role"]) == ("bob@example.org", "user")
    again = invite("bob@example.org", token=token)
    assert said(again, "bob@example.org") == said(invite("new@example.org", token=token), "new@example.org")
