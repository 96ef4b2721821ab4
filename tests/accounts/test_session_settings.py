"""Settings that sessions need, and settings that let the wrong users in, are refused at start."""

import pytest

from chalicelib.settings import InvalidSetting, Settings
from tests.support.settings import SETTINGS

# Settings


@pytest.mark.parametrize("environment", ["local", "dev", "staging", "production"])
def test_without_a_secret_nothing_starts_unless_an_anonymous_user_may_ask(environment: str) -> None:
    env = {name: value for name, value in SETTINGS.items() if name != "SESSION_SECRET"} | {
        "ENVIRONMENT": environment
    }
    for more in ({}, {"SESSION_SECRET": ""}, {"SESSION_SECRET": "s" * 31}):
        with pytest.raises(InvalidSetting, match=r"^SESSION_SECRET: "):
            Settings.from_env(env | more)
    assert Settings.from_env(env | {"SESSION_SECRET": "ä" * 16}).session_secret == "ä" * 16
    with pytest.raises(InvalidSetting, match=r"^SESSION_SECRET_PREVIOUS: "):
        Settings.from_env(env | {"SESSION_SECRET": "s" * 32, "SESSION_SECRET_PREVIOUS": "short"})


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_no_anonymous_user_where_strangers_come(environment: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^ANONYMOUS_USER: "):
        Settings.from_env({**SETTINGS, "ENVIRONMENT": environment, "ANONYMOUS_USER": "demo"})


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_a_short_secret_is_refused_with_an_anonymous_user_too(environment: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^SESSION_SECRET: "):
        Settings.from_env(
            {**SETTINGS, "ENVIRONMENT": environment, "ANONYMOUS_USER": "demo", "SESSION_SECRET": "s" * 31}
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGISTRATION_OPEN", "yes"),
        ("OIDC_ISSUER", "http://issuer.example"),
        ("OIDC_ISSUER", "issuer.example"),
        ("OIDC_ISSUER", "http://127.0.0.1:1"),
        ("OIDC_AUDIENCE", ""),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    env = {**SETTINGS, "OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "us"}
    assert Settings.from_env(env).oidc_audience == "us"
    with pytest.raises(InvalidSetting, match=rf"^{name}: "):
        Settings.from_env({**env, name: value})


MAIL = {"MAIL_FROM": "no-reply@example.org", "CONSOLE_URL": "https://app.example.org/dev/"}


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_open_registration_needs_a_sender_for_its_proofs(environment: str) -> None:
    env = {**SETTINGS, "ENVIRONMENT": environment}
    assert Settings.from_env(env).verify_email is True
    with pytest.raises(InvalidSetting, match=r"^MAIL_FROM: "):
        Settings.from_env({**env, "REGISTRATION_OPEN": "true"})
    found = Settings.from_env({**env, **MAIL, "REGISTRATION_OPEN": "true"})
    assert (found.verify_email, found.mail_from) == (True, "no-reply@example.org")
    assert found.console_url == "https://app.example.org/dev"
    with pytest.raises(InvalidSetting, match=r"^VERIFY_EMAIL: "):
        Settings.from_env({**env, **MAIL, "VERIFY_EMAIL": "false"})


def test_on_a_laptop_a_proof_is_asked_for_only_when_it_is_set() -> None:
    env = {**SETTINGS, "ENVIRONMENT": "local", "REGISTRATION_OPEN": "true"}
    assert Settings.from_env(env).verify_email is False
    with pytest.raises(InvalidSetting, match=r"^MAIL_FOLDER: "):
        Settings.from_env({**env, "VERIFY_EMAIL": "true"})
    folder = {"MAIL_FOLDER": "mail", "CONSOLE_URL": "http://127.0.0.1:8000"}
    assert Settings.from_env({**env, **folder, "VERIFY_EMAIL": "true"}).mail_folder == "mail"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "Us <no-reply@example.org>"),
        ("MAIL_FROM", "a@example.org,b@example.org"),
        ("MAIL_FOLDER", "mail"),
        ("CONSOLE_URL", ""),
        ("CONSOLE_URL", "http://app.example.org"),
        ("CONSOLE_URL", "http://127.0.0.1:8000"),
        ("CONSOLE_URL", "https://app.example.org/?a=b"),
        ("CONSOLE_URL", "https://app.example.org/#x"),
        ("VERIFY_EMAIL", "yes"),
    ],
)
def test_a_wrong_sender_or_console_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{name}: "):
        Settings.from_env({**SETTINGS, **MAIL, name: value})
