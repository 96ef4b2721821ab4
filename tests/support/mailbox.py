"""A stage that proves addresses, and the mails that SES has accepted."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto.ses.models import ses_backends

from local.layout import ACCOUNT, REGION
from tests.support.people import PASSWORD, People, Reply

SENDER, CONSOLE = "no-reply@example.org", "https://app.example.org/dev"


def link_of_latest_mail(purpose: str, console: str = CONSOLE) -> str:
    """Return the token of the only link in the latest mail; it must be for this purpose."""
    body = ses_backends[ACCOUNT][REGION].sent_messages[-1].body
    ((found, token),) = re.findall(rf"^{re.escape(console)}/#/(\w+)/(\S+)$", body, re.MULTILINE)
    assert found == purpose
    return str(token)


@dataclass
class Mailbox:
    people: People

    def mails(self) -> list[Any]:
        """Return all mails, oldest first."""
        return list(ses_backends[ACCOUNT][REGION].sent_messages)

    def to(self) -> list[str]:
        return [mail.destinations["ToAddresses"][0] for mail in self.mails()]

    def subjects(self) -> list[str]:
        return [mail.subject.removeprefix("Collections: ") for mail in self.mails()]

    def link(self, purpose: str) -> str:
        """Return the token of the link in the latest mail; it must be for this purpose."""
        return link_of_latest_mail(purpose)

    def ask(self, path: str, email: str, **more: Any) -> Reply:
        return self.people("POST", f"/api/v1/{path}", {"email": email, **more})

    def make_account(self, token: str, password: str = PASSWORD, **more: Any) -> Reply:
        return self.people("POST", "/api/v1/accounts", {"token": token, "password": password, **more})

    def set_password(self, token: str, password: str = "an altogether new one") -> Reply:
        return self.people("POST", "/api/v1/password", {"token": token, "password": password})

    def join(self, email: str) -> dict[str, Any]:
        """Register, follow the link and sign in; return the tokens."""
        assert self.ask("registration", email).status == 202
        assert self.make_account(self.link("register")).status == 201
        tokens: dict[str, Any] = self.people.log_in(email).body
        return tokens


@pytest.fixture
def mailbox(people: People) -> Iterator[Mailbox]:
    """A stage on AWS: registration is open, an address is proved by a mail of SES."""
    backend = ses_backends[ACCOUNT][REGION]
    backend.sent_messages.clear()
    people.world.aws.client("sesv2").create_email_identity(EmailIdentity="example.org")
    people.set(ENVIRONMENT="dev", MAIL_FROM=SENDER, CONSOLE_URL=CONSOLE)
    yield Mailbox(people)
    backend.email_identities.pop("example.org", None)


NEW = "an altogether new one"


def accounts(people: People) -> list[str]:
    return [email for (email,) in people.world.sql("SELECT email FROM accounts ORDER BY created_at")]


def change(people: People, token: str, email: str, password: str = PASSWORD) -> Reply:
    body = {"email": email, "current_password": password}
    return people("POST", "/api/v1/me/email", body, token=token)


def said(reply: Reply, email: str) -> tuple[int, str]:
    """Return the status and the body, with one name for the address and the request."""
    body = {**reply.body, "request_id": ""} if reply.status >= 400 else reply.body
    return reply.status, json.dumps(body).replace(email, "*")
