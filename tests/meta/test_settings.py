"""Settings are refused at start by the variable's name; logs carry no secret."""

import io
import json
import logging

import pytest

from chalicelib.logs import JsonFormatter, redact
from chalicelib.settings import InvalidSetting, Settings
from tests.support.settings import SETTINGS


def test_defaults() -> None:
    settings = Settings.from_env(SETTINGS)
    assert (settings.environment, settings.anonymous_user, settings.upload_url_ttl_s) == ("dev", None, 900)


@pytest.mark.parametrize(
    ("function_mb", "decoder_mb"), [(None, 1024), ("2048", 1024), ("512", 320), ("256", 64), ("128", 64)]
)
def test_a_decoder_gets_what_its_function_has_to_spare(function_mb: str | None, decoder_mb: int) -> None:
    given = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function_mb} if function_mb else {}
    assert Settings.from_env({**SETTINGS, **given}).decoder_memory_bytes == decoder_mb * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("IMAGES_BUCKET", ""),
        ("ENVIRONMENT", "prod"),
        ("LOG_LEVEL", "LOUD"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "example.org"),
        ("CORS_ORIGINS", "[*"),
        ("CORS_ORIGINS", "[1]"),
        ("EMBEDDING_DIMENSIONS", "0"),
        ("EMBEDDING_DIMENSIONS", "many"),
        ("UPLOAD_URL_TTL_S", "901"),
        ("DATABASE_POOL_SIZE", "11"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "plenty"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Settings.from_env({**SETTINGS, name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ['["https://a.example", "http://localhost:3000"]', "https://a.example,http://localhost:3000, "]
)
def test_origins_are_a_json_list_or_have_commas(text: str) -> None:
    found = Settings.from_env({**SETTINGS, "CORS_ORIGINS": text}).cors_origins
    assert found == ("https://a.example", "http://localhost:3000")


def test_production_refuses_an_anonymous_user() -> None:
    with pytest.raises(InvalidSetting, match="ANONYMOUS_USER"):
        Settings.from_env({**SETTINGS, "ENVIRONMENT": "production", "ANONYMOUS_USER": "demo"})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://app:hunter2@db/x failed", "postgresql://app:***@db/x failed"),
        ("GET /k?X-Amz-Signature=abcdef0123&x=1", "GET /k?X-Amz-Signature=***&x=1"),
        ("Authorization: Bearer eyJhbGciOi.xyz-123", "Authorization: ***"),
        ("sent Bearer eyJhbGciOi.xyz-123 along", "sent Bearer *** along"),
        ('{"password": "hunter2"}', '{"password": "***"}'),
        ("postgresql://app:hunter2@x@db/x", "postgresql://app:***@db/x"),
        (r"{\"api_key\": \"hunter2hunter2\"}", r"{\"api_key\": \"***\"}"),
        ("aws_secret_access_key=hunter2/x", "aws_secret_access_key=***"),
        ("Set-Cookie: hunter2; Secure", "Set-Cookie: *** Secure"),
        ("total_tokens: 123456", "total_tokens: 123456"),
        ("key sk-ant-REDACTED", "key ***"),
        ("an ordinary sentence about a password", "an ordinary sentence about a password"),
    ],
)
def test_secrets_are_redacted(text: str, kept: str) -> None:
    redacted = redact(text)
    assert redacted == kept
    for secret in ("hunter2", "abcdef0123", "eyJhbGciOi", "api03"):
        assert secret not in redacted


def test_a_log_line_is_one_json_object_with_its_extras_and_no_secret() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("collections.test")
    logger.addHandler(handler)
    try:
        raise ValueError("postgresql://app:hunter2@db")
    except ValueError:
        logger.exception("broken\nline", extra={"item_id": "a"})
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["message"], entry["item_id"]) == ("ERROR", "broken\nline", "a")
    assert "ValueError" in entry["exception"] and "hunter2" not in stream.getvalue()
