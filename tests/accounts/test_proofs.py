"""Accounts by mail: an address is proved before it has an account."""

from typing import Any

import pytest

from chalicelib import wiring
from tests.support.mailbox import NEW, SENDER, Mailbox, accounts, said
from tests.support.people import People, Reply

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
