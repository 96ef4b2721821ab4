"""An account's address is changed once the new one is proved and the old one is told."""

from time import time
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.ops.accounts import proofs
from tests.support.mailbox import Mailbox, accounts, change, said
from tests.support.people import People, SomebodyWrites

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
