"""Links in mails: how long and what for they are good, how many mails there are, and where none are sent."""

import json
import re
from time import time
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.model.accounts.mails import write
from chalicelib.model.accounts.signed_links import LIFETIME_S, Links, state_of
from chalicelib.model.accounts.tokens import make_access_token
from chalicelib.providers.accounts.mailer_ses import SesMailer
from chalicelib.stores.accounts.accounts import find_by_email
from tests.support.mailbox import CONSOLE, NEW, Mailbox, accounts, change
from tests.support.people import PASSWORD, People, Reply

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
        with pytest.raises(Exception, match="expired") as refused:
            links().read(token, purpose, now_s=end_s)
        assert refused.value.code == "link_expired"
    old = links().make("register", email="ann@example.org", now_s=now_s - 86_400)
    reply = mailbox.make_account(token_of(old))
    assert (reply.status, reply.code, accounts(people)) == (400, "link_expired", [])


def test_a_link_is_for_one_purpose(people: People, mailbox: Mailbox) -> None:
    mailbox.join("ann@example.org")
    account = wiring.database().transact_as_gatekeeper(lambda tx: find_by_email(tx, "ann@example.org"))
    assert account is not None
    user_id = account.user_id
    made = {
        purpose: token_of(
            links().make(
                purpose,
                email="new@example.org",
                now_s=int(time()),
                user_id=user_id,
                state=state_of(account),
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
    people.set(RATE_LIMITS='{"account": "3/2h 3/2h", "login": "900/1m 9000/1h", "mail": "900/1m 9000/1h"}')
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
