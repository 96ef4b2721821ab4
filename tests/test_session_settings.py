"""What must be set for sessions, and who must not be let in: refused at start."""

import pytest

from chalicelib.settings import InvalidSetting, Settings
from tests.test_settings import GOOD

# Settings


@pytest.mark.parametrize("environment", ["local", "dev", "staging", "production"])
def test_without_a_secret_nothing_starts_unless_an_anonymous_user_may_ask(environment: str) -> None:
    env = {name: value for name, value in GOOD.items() if name != "SESSION_SECRET"} | {
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
        Settings.from_env({**GOOD, "ENVIRONMENT": environment, "ANONYMOUS_USER": "demo"})


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_a_short_secret_is_refused_with_an_anonymous_user_too(environment: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^SESSION_SECRET: "):
        Settings.from_env(
            {**GOOD, "ENVIRONMENT": environment, "ANONYMOUS_USER": "demo", "SESSION_SECRET": "s" * 31}
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGISTRATION_OPEN", "yes"),
        ("ADMIN_EMAILS", "root@example.org"),
        ("OIDC_ISSUER", "http://issuer.example"),
        ("OIDC_ISSUER", "issuer.example"),
        ("OIDC_ISSUER", "http://127.0.0.1:1"),
        ("OIDC_AUDIENCE", ""),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    env = {**GOOD, "OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "us"}
    assert Settings.from_env(env).oidc_audience == "us"
    with pytest.raises(InvalidSetting, match=rf"^{name}: "):
        Settings.from_env({**env, name: value})
