"""Mail: whether addresses are proved by it, who sends it, and where its links lead."""

from collections.abc import Mapping

from chalicelib.errors import InvalidSetting
from chalicelib.patterns import pattern
from chalicelib.settings.addresses import URL
from chalicelib.settings.readers import choice

_ADDRESS = pattern(r"[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,189}\Z")


def verify_email(env: Mapping[str, str], *, local: bool) -> bool:
    """Return True when an address must be proved by mail before it gets an account: everywhere but on a laptop."""
    verify = choice(env, "VERIFY_EMAIL", ("true", "false"), default="false" if local else "true") == "true"
    if not verify and not local:
        raise InvalidSetting(
            "VERIFY_EMAIL: only the stage local makes accounts without a proof of the address"
        )
    if verify and env.get("REGISTRATION_OPEN") == "true" and not _sends_mail(env):
        raise InvalidSetting(
            f"{'MAIL_FOLDER' if local else 'MAIL_FROM'}: must be set while registration is open,"
            " to prove addresses by mail"
        )
    return verify


def _sends_mail(env: Mapping[str, str]) -> bool:
    return bool(env.get("MAIL_FROM") or env.get("MAIL_FOLDER"))


def mail_from(env: Mapping[str, str]) -> str | None:
    value = env.get("MAIL_FROM") or None
    if value is not None and not _ADDRESS.match(value):
        raise InvalidSetting(
            "MAIL_FROM: must be an address that SES may send from, such as no-reply@example.org"
        )
    return value


def mail_folder(env: Mapping[str, str], *, local: bool) -> str | None:
    value = env.get("MAIL_FOLDER") or None
    if value is not None and not local:
        raise InvalidSetting("MAIL_FOLDER: is for the stage local; set MAIL_FROM")
    return value


def console_url(env: Mapping[str, str], *, local: bool) -> str | None:
    """Return the console's URL for links.

    It never comes from a request, whose sender could then choose a mail's links.
    """
    value = env.get("CONSOLE_URL") or None
    if value is None and not _sends_mail(env):
        return None
    allowed = ("https://", *(["http://127.0.0.1:"] if local else []))
    if value is None or not value.startswith(allowed) or not URL.match(value):
        raise InvalidSetting(
            "CONSOLE_URL: must be the https:// address of the console, for the links in mails"
        )
    return value.rstrip("/")
