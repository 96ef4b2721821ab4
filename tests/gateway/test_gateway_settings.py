"""Upstreams are declared right, or the app does not start."""

from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.settings import InvalidSetting, Settings
from tests.support.settings import SETTINGS
from tests.support.upstreams import SECRET, raw_upstream, rest_event


def test_only_a_laptop_connects_to_itself(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As wiring makes the upstreams from the environment's variables."""
    with raw_upstream() as found:
        monkeypatch.setenv("UPSTREAM_USER_SERVICE_URL", found.url)
        monkeypatch.setenv("UPSTREAM_IDENTITY_SECRET", SECRET)
        for environment, outcome in (("local", 200), ("dev", 502)):
            monkeypatch.setenv("ENVIRONMENT", environment)
            wiring.settings.forget()
            wiring.upstreams.forget()
            app.edge.cache_clear()
            answer = app.app(rest_event("GET", "/users", user=None), None)
            assert answer["statusCode"] == outcome
        assert found.connections == 1
        wiring.upstreams.forget()
        app.edge.cache_clear()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UPSTREAM_USER_SERVICE_URL", "ftp://example.com"),
        ("UPSTREAM_USER_SERVICE_URL", "https://example.com/?a=1"),
        ("UPSTREAM_USER_SERVICE_URL", "https://example.com/#a"),
        ("UPSTREAM_USER_SERVICE_URL", "https://user:hunter2@example.com"),
        ("UPSTREAM_USER_SERVICE_URL", "https://example.com/../a"),
        ("UPSTREAM_USER_SERVICE_URL", "https://example.com:0"),
        ("UPSTREAM_USER_SERVICE_URL", "https://example.com:65536"),
        ("UPSTREAM_USER_SERVICE_URL", "https://"),
        ("UPSTREAM_USER_SERVICE_URL", "example.com"),
        ("UPSTREAM_ALLOW_PRIVATE", '["10.0.0.1/8"]'),
        ("UPSTREAM_ALLOW_PRIVATE", '["all"]'),
        ("UPSTREAM_IDENTITY_SECRET", "short"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Settings.from_env({**SETTINGS, "SESSION_SECRET": SECRET, variable: value})
    assert str(refused.value).startswith(f"{variable}: ")
    assert "hunter2" not in str(refused.value)


def test_an_upstream_without_a_secret_or_a_route_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"UPSTREAM_USERS_SERVICE_URL": "https://example.com/v1/"}
    with pytest.raises(InvalidSetting, match=r"^UPSTREAM_IDENTITY_SECRET: "):
        Settings.from_env({**SETTINGS, "SESSION_SECRET": "", "ANONYMOUS_USER": "demo", **url})
    for name, value in {**SETTINGS, "SESSION_SECRET": SECRET, **url}.items():
        monkeypatch.setenv(name, value)
    wiring.settings.forget()
    wiring.upstreams.forget()
    assert wiring.settings().upstream_urls == {"users": "https://example.com/v1"}
    with pytest.raises(InvalidSetting, match=r"^UPSTREAM_USERS_SERVICE_URL: "):
        wiring.upstreams()
    wiring.settings.forget()


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.01",
            "0",
            "1",
        ),
        *("１２７.０.０.１", "127。0。0。1", "256.256.256.256", "127.0.0.1.", "[0:0:0:0:0:0:0:1]", "[::1"),
    ],
)
def test_a_notation_is_refused_at_start(host: str) -> None:
    """A host that ends in a number is no name, and an address has one form, however resolvers read it."""
    with pytest.raises(InvalidSetting, match=r"^UPSTREAM_USER_SERVICE_URL: "):
        Settings.from_env(
            {**SETTINGS, "SESSION_SECRET": SECRET, "UPSTREAM_USER_SERVICE_URL": f"https://{host}/v1"}
        )
