"""Writes mails into a folder, one .eml file each. The local stack uses it instead of sending them."""

import logging
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

from chalicelib import errors
from chalicelib.model.accounts.mails import Mail

log = logging.getLogger("collections.mail")
SENDER = "collections@localhost"


class FolderMailer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, mail.to, mail.subject
        message.set_content(mail.text, cte="8bit")  # keeps a link on one line
        path = self._folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}.eml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(message))
        except OSError as error:
            raise errors.Unavailable("The mail could not be written.", code="mail_unavailable") from error
        log.info("mail written", extra={"file": str(path)})
