"""No error of h11, sockets, botocore, Pillow or a provider leaves the adapters as it came: none is missed."""

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import botocore
import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import (
    BadFile,
    CollectionsError,
    InvalidInput,
    Misconfigured,
    Throttled,
    Unavailable,
)
from chalicelib.providers.http.dial import ExchangeFailed, Reason
from chalicelib.providers.models.bedrock_converse import BedrockConverse
from chalicelib.providers.models.pictures import fit_picture
from chalicelib.providers.models.provider_http import JsonApi
from tests.models.making import AWS, WRITERS, ask, providers
from tests.support.model_server import ModelServer, Reply


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_failure_of_an_exchange_is_translated(reason: Reason) -> None:
    api = JsonApi(name="The provider", base_url="http://h", api_key=None, max_answer_bytes=9)
    error = api._failure(ExchangeFailed(reason), 9)
    assert isinstance(error, Unavailable) and "The provider" in error.message
    assert error.at_once == (reason != "too_large")


def test_every_status_but_200_is_an_error_of_the_app(server: ModelServer) -> None:
    found: dict[int, CollectionsError] = {}
    api = JsonApi(name="The provider", base_url=server.url, api_key=None, max_answer_bytes=9_999)
    for status in [*range(201, 600)]:
        if status in (204, 304):  # they have no body, which the stand-in sends all the same
            continue
        found[status] = api._refusal(status, {}, b"")
    kinds = {status: type(error) for status, error in found.items()}
    assert {status for status, kind in kinds.items() if kind is InvalidInput} == {400, 413, 415, 422}
    assert {status for status, kind in kinds.items() if kind is Throttled} == {429}
    ours = {status for status, kind in kinds.items() if kind is Misconfigured}
    assert ours == {*range(201, 400), 401, 402, 403, 404, 405} - {204, 304}
    assert set(kinds.values()) == {InvalidInput, Throttled, Misconfigured, Unavailable}


def bedrock_errors() -> list[tuple[str, int]]:
    """The errors that AWS' own description of bedrock-runtime has for the operations we use."""
    (path,) = (Path(botocore.__file__).parent / "data" / "bedrock-runtime").glob("*/service-2.json.gz")
    described = json.loads(gzip.decompress(path.read_bytes()))
    operations = (described["operations"][name] for name in ("Converse", "InvokeModel"))
    names = {error["shape"] for operation in operations for error in operation["errors"]}
    return sorted((name, described["shapes"][name]["error"]["httpStatusCode"]) for name in names)


EXPECTED: dict[str, type[CollectionsError]] = {
    "AccessDeniedException": Misconfigured,
    "InternalServerException": Unavailable,
    "ModelErrorException": Unavailable,
    "ModelNotReadyException": Throttled,
    "ModelTimeoutException": Unavailable,
    "ResourceNotFoundException": Misconfigured,
    "ServiceQuotaExceededException": Throttled,
    "ServiceUnavailableException": Unavailable,
    "ThrottlingException": Throttled,
    "ValidationException": InvalidInput,
}


def test_every_error_of_bedrock_is_known(server: ModelServer) -> None:
    assert {name for name, _ in bedrock_errors()} == EXPECTED.keys()
    for name, status in bedrock_errors():
        server.script.extend([Reply(status, {"message": "m"}, {"x-amzn-ErrorType": name})] * 3)
        writer = BedrockConverse(base_url=server.url, model="m", **AWS)
        with pytest.raises(CollectionsError) as raised:
            ask("writer", providers(writer))
        kind = Unavailable if EXPECTED[name] is InvalidInput else EXPECTED[name]  # see HostedChat
        assert type(raised.value) is kind, name
        server.script.clear()


def errors_of_botocore() -> list[type[BotoCoreError]]:
    found = vars(botocore.exceptions).values()
    return [each for each in found if isinstance(each, type) and issubclass(each, BotoCoreError)]


def failing_credentials(error: Exception) -> Any:
    def find() -> Any:
        raise error

    return find


def test_every_error_of_botocore_is_translated(server: ModelServer) -> None:
    kinds = errors_of_botocore()
    assert len(kinds) > 50
    errors: list[Exception] = [kind.__new__(kind) for kind in kinds]
    errors.append(ClientError({"Error": {"Code": "ExpiredToken", "Message": "secret"}}, "AssumeRole"))
    for error in errors:
        given = {**AWS, "find_credentials": failing_credentials(error)}
        with pytest.raises(Unavailable, match="credentials cannot be read") as raised:
            ask("writer", providers(BedrockConverse(base_url=server.url, model="m", **given)))
        assert "secret" not in str(raised.value)
    assert server.asked == []


def test_without_credentials_it_is_our_setting(server: ModelServer) -> None:
    given = {**AWS, "find_credentials": lambda: None}
    with pytest.raises(Misconfigured, match="no AWS credentials"):
        ask("writer", providers(BedrockConverse(base_url=server.url, model="m", **given)))


@pytest.mark.parametrize("picture", [b"", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0" + b"\0" * 500])
def test_every_broken_picture_is_a_bad_file(picture: bytes) -> None:
    with pytest.raises(BadFile):
        fit_picture(picture, max_px=100, max_pixels=10_000)


def test_a_kept_connection_that_was_cut_off_is_an_error_of_the_app(server: ModelServer) -> None:
    asked = providers(WRITERS[0].make(server.url))
    ask("writer", asked)
    server.script.extend([Reply(200, b"{", announced=10)] * 3)
    with pytest.raises(Unavailable):
        ask("writer", asked)
