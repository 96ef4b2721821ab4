"""Accounts by mail: an address is proved before it has an account, a lost password is set anew by its owner alone."""

import json
import re
from time import time
from typing import Any

import psycopg2
import pytest

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.model.mails import write
from chalicelib.model.signed_links import LIFETIME_S, Links, state_of
from chalicelib.model.tokens import make_access_token
from chalicelib.ops import proofs
from chalicelib.providers.mailer_ses import SesMailer
from tests.mailbox import CONSOLE, SENDER, Mailbox, mailbox
from tests.people import PASSWORD, People, Reply, people
from tests.test_passwords import SomebodyWrites

__all__ = ["mailbox", "people"]
NEW = "an altogether new one"


def accounts(people: People) -> list[str]:
    return [email for (email,) in people.world.sql("SELECT email FROM accounts ORDER BY created_at")]


def said(reply: Reply, email: str) -> tuple[int, str]:
    """The status and the body, with one name for the address and the request."""
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
    people.set(SESSIONS_TABLE="sessions")
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


def change(people: People, token: str, email: str, password: str = PASSWORD) -> Reply:
    body = {"email": email, "current_password": password}
    return people("POST", "/api/v1/me/email", body, token=token)


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


# Links


def links(*secrets: str) -> Links:
    return Links(secrets=secrets or wiring.signing().secrets, console_url=CONSOLE)


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_is_good_until_it_ends_and_not_a_second_longer(people: People, mailbox: Mailbox) -> None:
    assert LIFETIME_S == {"register": 86_400, "address": 86_400, "invite": 604_800, "reset": 3_600}
    now_s, purposes = int(time()), ("register", "invite", "reset", "address")
    for purpose in purposes:
        token = token_of(links().make(purpose, email="ann@example.org", now_s=now_s))
        end_s = now_s + LIFETIME_S[purpose]
        assert links().read(token, purpose, now_s=end_s - 1).email == "ann@example.org"
        with pytest.raises(Exception, match="over") as refused:
            links().read(token, purpose, now_s=end_s)
        assert refused.value.code == "link_expired"
    old = links().make("register", email="ann@example.org", now_s=now_s - 86_400)
    reply = mailbox.make_account(token_of(old))
    assert (reply.status, reply.code, accounts(people)) == (400, "link_expired", [])


def test_a_link_is_for_one_purpose(people: People, mailbox: Mailbox) -> None:
    mailbox.join("ann@example.org")
    ((user_id, email, password_hash),) = people.world.sql(
        "SELECT user_id, email, password_hash FROM accounts"
    )
    made = {
        purpose: token_of(
            links().make(
                purpose,
                email="new@example.org",
                now_s=int(time()),
                user_id=user_id,
                state=state_of(email, password_hash),
            )
        )
        for purpose in ("register", "invite", "reset", "address")
    }
    access = make_access_token(wiring.signing(), user_id=user_id, session_id="0" * 44, now_s=int(time()))
    routes = {
        "/api/v1/accounts": {"register", "invite"},
        "/api/v1/password": {"reset"},
        "/api/v1/verifications": {"address"},
    }
    for path, taken in routes.items():
        more = {} if path == "/api/v1/verifications" else {"password": NEW}
        for purpose, token in {**made, "access": access}.items():
            if purpose not in taken:
                reply = people("POST", path, {"token": token, **more})
                assert (reply.status, reply.code) == (400, "invalid_link"), (path, purpose)
    for token in made.values():
        assert people.me(token).code == "invalid_token"
    assert accounts(people) == ["ann@example.org"] and people.log_in("ann@example.org").status == 201


def test_a_link_that_was_tampered_with_is_refused(people: People, mailbox: Mailbox) -> None:
    mailbox.ask("registration", "ann@example.org")
    token = mailbox.link("register")
    head, body, signature = token.split(".")
    other_purpose = token_of(links().make("invite", email="ann@example.org", now_s=int(time()))).split(".")
    strangers = token_of(links("s" * 32).make("register", email="ann@example.org", now_s=int(time())))
    wrong = [
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-2]}AA",
        f"{other_purpose[0]}.{body}.{signature}",
        f"{head}.{other_purpose[1]}.{signature}",
        strangers,
        token + "x",
        "x",
        "\x7f",
        "a.b.c",
    ]
    for each in wrong:
        reply = mailbox.make_account(each)
        assert (reply.status, reply.code) == (400, "invalid_link"), each
    assert accounts(people) == []
    assert mailbox.make_account(token).status == 201


def test_links_of_the_previous_secret_are_good_while_it_is_kept(people: People, mailbox: Mailbox) -> None:
    old = wiring.settings().session_secret
    mailbox.ask("registration", "ann@example.org")
    people.set(SESSION_SECRET="n" * 40)
    assert mailbox.make_account(mailbox.link("register")).code == "invalid_link"
    people.set(SESSION_SECRET_PREVIOUS=old)
    assert mailbox.make_account(mailbox.link("register")).status == 201
    mailbox.ask("password-resets", "ann@example.org")
    people.set(SESSION_SECRET_PREVIOUS=None)
    assert mailbox.set_password(mailbox.link("reset")).status == 200, "the new one signs"


def test_a_request_does_not_choose_where_a_link_leads(people: People, mailbox: Mailbox) -> None:
    body = {"email": "ann@example.org"}
    people("POST", "/api/v1/registration", body, Host="evil.example", X_Forwarded_Host="evil.example")
    assert "evil" not in mailbox.mails()[-1].body
    assert mailbox.link("register")


# Limits


@pytest.mark.parametrize("path", ["registration", "password-resets", "me/email"])
def test_nobody_is_flooded_with_mails(people: People, mailbox: Mailbox, path: str) -> None:
    token = mailbox.join("eve@example.org")["access_token"]
    mailbox.join("ann@example.org")
    people.set(RATE_LIMITS=json.dumps({"mail": "2/1h 10/1d", "login": "900/1m 9000/1h"}))

    def ask(email: str) -> Reply:
        return change(people, token, email) if path == "me/email" else mailbox.ask(path, email)

    for known in ("ann@example.org", "nobody@example.org"):
        local = known.partition("@")[0]
        before = len(mailbox.mails())
        replies = [
            ask(email) for email in (known, f"{local}+1@example.org", f"{local.upper()}+2@Example.org")
        ]
        assert [reply.status for reply in replies] == [202, 202, 429], known
        assert (replies[2].code, len(mailbox.mails()) - before) == ("rate_limited", 2)
        assert int(replies[2].headers["Retry-After"]) > 60
        other = "password-resets" if path == "registration" else "registration"
        assert mailbox.ask(other, known).status == 202, "mails of one kind keep no other from anybody"


def test_guessing_the_password_for_a_new_address_is_guessing_as_well(
    people: People, mailbox: Mailbox
) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    people.set(RATE_LIMITS='{"account": "3/1h 3/1h", "login": "900/1m 9000/1h", "mail": "900/1m 9000/1h"}')
    guesses = [change(people, token, "new@example.org", "a wrong password").status for _ in range(7)]
    assert guesses[:3] == [400] * 3 and guesses[-1] == 429
    assert people.log_in("ann@example.org").status == 429


def test_who_asks_for_mails_is_limited_too(people: People, mailbox: Mailbox) -> None:
    people.set(RATE_LIMITS='{"login": "3/1h 3/1h"}')
    paths = ("registration", "password-resets", "registration", "password-resets")
    asked = [mailbox.ask(path, f"ann{n}@example.org").status for n, path in enumerate(paths)]
    assert (asked, len(mailbox.mails())) == ([202, 202, 202, 429], 3)


# Where no mail is sent


def test_where_no_mail_is_sent_whoever_asks_is_told_so(people: People, mailbox: Mailbox) -> None:
    token = mailbox.join("ann@example.org")["access_token"]
    people.promote("ann@example.org")
    people.set(MAIL_FROM=None, CONSOLE_URL=None, REGISTRATION_OPEN=None)
    assert people("GET", "/api/v1/registration").body["sends_mail"] is False
    replies = [
        mailbox.ask("password-resets", "ann@example.org"),
        mailbox.ask("password-resets", "nobody@example.org"),
        change(people, token, "new@example.org"),
        people("POST", "/api/v1/invitations", {"email": "bob@example.org"}, token=token),
    ]
    assert {(reply.status, reply.code) for reply in replies} == {(403, "no_mail")}


def test_on_a_laptop_mails_are_files_and_the_log_names_them_and_no_token(
    people: People, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mail"
    people.set(
        VERIFY_EMAIL="true", MAIL_FOLDER=str(folder), CONSOLE_URL="http://127.0.0.1:8000/", LOG_LEVEL="DEBUG"
    )
    assert people("POST", "/api/v1/registration", {"email": "ann@example.org"}).status == 202
    (file,) = folder.iterdir()
    text = file.read_text()
    assert file.suffix == ".eml" and "To: ann@example.org\n" in text
    (token,) = re.findall(r"^http://127\.0\.0\.1:8000/#/register/(\S+)$", text, re.MULTILINE)
    assert people("POST", "/api/v1/accounts", {"token": token, "password": PASSWORD}).status == 201
    assert people("POST", "/api/v1/accounts", {"token": token, "password": PASSWORD}).status == 400
    assert people.log_in("ann@example.org").status == 201
    logged = capsys.readouterr().err
    assert str(file) in logged
    assert not any(part in logged for part in token.split("."))


def test_a_folder_that_cannot_be_written_is_told(people: People, tmp_path: Any) -> None:
    (tmp_path / "mail").write_text("a file")
    people.set(VERIFY_EMAIL="true", MAIL_FOLDER=str(tmp_path / "mail"), CONSOLE_URL="http://127.0.0.1:8000")
    reply = people("POST", "/api/v1/registration", {"email": "ann@example.org"})
    assert (reply.status, reply.code) == (503, "mail_unavailable")


def test_where_no_address_is_proved_a_password_is_needed_at_once(people: People) -> None:
    reply = people("POST", "/api/v1/registration", {"email": "ann@example.org"})
    assert (reply.status, reply.body["field"]) == (400, "password")


def test_ses_is_asked_as_the_sender_alone_and_its_refusal_is_ours(people: People, mailbox: Mailbox) -> None:
    mailer = SesMailer(people.world.aws.client("sesv2"), sender="other@elsewhere.example")
    with pytest.raises(Exception, match="refused") as refused:
        mailer.send(write("unknown", to="ann@example.org"))
    assert refused.value.code == "mail_refused"
    assert mailbox.mails() == []
