"""Sends mail by Amazon SES."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import errors
from chalicelib.model.accounts.mails import Mail

_MISCONFIGURED_CODES = (
    "AccessDeniedException",
    "MailFromDomainNotVerifiedException",
    "AccountSuspendedException",
    "MessageRejected",
)


class SesMailer:
    """Sends mail with SES' SendEmail.

    It uses simple content: a raw message would need the permission ses:SendRawEmail.
    """

    def __init__(self, client: Any, *, sender: str) -> None:
        self._ses = client
        self._sender = sender

    def send(self, mail: Mail) -> None:
        try:
            self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.to]},
                Content={"Simple": {"Subject": _text(mail.subject), "Body": {"Text": _text(mail.text)}}},
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _MISCONFIGURED_CODES:
                raise errors.Misconfigured("SES refused to send the mail.", code="mail_refused") from error
            raise _away() from error
        except BotoCoreError as error:
            raise _away() from error


def _text(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _away() -> errors.Unavailable:
    return errors.Unavailable("The mail could not be sent; try again soon.", code="mail_unavailable")
