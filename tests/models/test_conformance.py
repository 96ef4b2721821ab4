"""One suite that each provider passes, against a server that speaks its documented wire format."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from chalicelib.errors import CollectionsError, InvalidInput, Misconfigured, Throttled, Unavailable
from chalicelib.providers import Usage
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.embeddings_openai import OpenAIEmbeddings
from chalicelib.providers.models.openai_completions import OpenAICompletions
from chalicelib.providers.models.rerankers import HttpRerank
from chalicelib.providers.models.voyage import VoyageEmbeddings, VoyageMultimodal
from tests.models.making import AWS_SECRET, KEY, VENDORS, Vendor, Waits, ask, providers
from tests.models.written import VALUE
from tests.support.model_server import Drip, Hang, ModelServer, Reply

GOOD: dict[str, Any] = {"writer": VALUE, "embedder": [[0.6, 0.8]], "reranker": [0.5, 1.0]}
# How each says that it is asked too often, that it is overloaded, and that our key is wrong.
ERRORS: dict[str, dict[str, Reply]] = {
    "anthropic": {
        "throttled": Reply(429, {"type": "error", "error": {"type": "rate_limit_error", "message": KEY}}),
        "overloaded": Reply(529, {"type": "error", "error": {"type": "overloaded_error", "message": KEY}}),
        "key": Reply(401, {"type": "error", "error": {"type": "authentication_error", "message": KEY}}),
        "request": Reply(400, {"type": "error", "error": {"type": "invalid_request_error", "message": KEY}}),
    },
    "openai": {
        "throttled": Reply(429, {"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": KEY}}),
        "overloaded": Reply(503, {"error": {"code": None, "type": "server_error", "message": KEY}}),
        "key": Reply(401, {"error": {"code": "invalid_api_key", "message": f"Incorrect: {KEY}"}}),
        "request": Reply(400, {"error": {"code": "context_length_exceeded", "message": KEY}}),
    },
    "voyage": {
        "throttled": Reply(429, {"detail": f"You have exceeded the rate limit. {KEY}"}),
        "overloaded": Reply(503, {"detail": KEY}),
        "key": Reply(401, {"detail": f"Provided API key is invalid: {KEY}"}),
        "request": Reply(400, {"detail": KEY}),
    },
    "cohere": {
        "throttled": Reply(429, {"message": KEY}),
        "overloaded": Reply(503, {"message": KEY}),
        "key": Reply(401, {"message": f"invalid api token {KEY}"}),
        "request": Reply(422, {"message": KEY}),
    },
    "bedrock": {
        "throttled": Reply(429, {"message": KEY}, {"x-amzn-ErrorType": "ThrottlingException:http://x/"}),
        "overloaded": Reply(503, {"message": KEY}, {"x-amzn-ErrorType": "ServiceUnavailableException"}),
        "key": Reply(403, {"message": KEY}, {"x-amzn-ErrorType": "AccessDeniedException"}),
        "request": Reply(400, {"message": KEY}, {"x-amzn-ErrorType": "ValidationException"}),
    },
}
every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda each: f"{each.role}-{each.name}")


def errors_of(vendor: Vendor) -> dict[str, Reply]:
    return ERRORS.get(vendor.name.removesuffix(" multimodal"), ERRORS["bedrock"])


def fail(
    vendor: Vendor, server: ModelServer, timeout_s: float = 30.0, waits: Waits | None = None
) -> Unavailable:
    """Return the error, which holds no secret."""
    with pytest.raises(CollectionsError) as raised:
        vendor.ask(server.url, timeout_s=timeout_s, waits=waits)
    error: Any = raised.value
    for secret in (KEY, AWS_SECRET):
        assert secret not in f"{error!r} {error.__cause__!r}"
    return error


INPUT = {
    "cohere": 0,
    "voyage multimodal": 5,
}  # Cohere charges by the search, Voyage by the pixels of a picture


@every_vendor
def test_an_answer_and_the_tokens_it_took(server: ModelServer, vendor: Vendor) -> None:
    spent = list[Usage]()
    assert vendor.ask(server.url, spend=spent.append) == GOOD[vendor.role]
    (usage,) = spent
    counts = (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens)
    assert counts == ((10, 4, 2, 3) if vendor.role == "writer" else (INPUT.get(vendor.name, 7), 0, 0, 0))
    assert usage.pixels == (1120 if vendor.name == "voyage multimodal" else 0)
    assert usage.model and usage.provider in ("anthropic", "openai", "bedrock", "voyage", "cohere")
    assert len(server.asked) == 1


@every_vendor
def test_the_key_is_in_its_header_and_nowhere_else(server: ModelServer, vendor: Vendor) -> None:
    vendor.ask(server.url)
    (asked,) = server.asked
    signed = asked.headers.get("authorization", "")
    if asked.path.startswith("/model/"):
        assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIDOFTHETESTS/")
        assert "/eu-west-1/bedrock/aws4_request" in signed
        assert asked.headers["x-amz-security-token"] == "session-token-of-the-tests"
    elif vendor.name == "anthropic":
        assert (asked.headers["x-api-key"], signed) == (KEY, "")
        assert asked.headers["anthropic-version"] == "2026-10-21"
    else:
        assert signed == f"Bearer {KEY}"
    assert KEY not in asked.path + str(asked.body)


@every_vendor
def test_throttled_it_waits_as_long_as_it_is_told(server: ModelServer, vendor: Vendor) -> None:
    reply = errors_of(vendor)["throttled"]
    server.script.append(Reply(429, reply.body, {**reply.headers, "Retry-After": "7"}))
    waits: Waits = []
    assert vendor.ask(server.url, waits=waits) == GOOD[vendor.role]
    assert (waits, len(server.asked)) == ([7.0], 2)


@every_vendor
def test_it_does_not_wait_beyond_its_time(server: ModelServer, vendor: Vendor) -> None:
    reply = errors_of(vendor)["throttled"]
    server.script.append(Reply(429, reply.body, {**reply.headers, "Retry-After": "31"}))
    error = fail(vendor, server)
    assert isinstance(error, Throttled)
    assert (error.retry_after_s, len(server.asked)) == (31.0, 1)


@every_vendor
def test_overloaded_it_is_asked_three_times_and_no_more(server: ModelServer, vendor: Vendor) -> None:
    server.script.extend([errors_of(vendor)["overloaded"]] * 5)
    waits: Waits = []
    error = fail(vendor, server, waits=waits)
    assert (type(error), error.code, len(server.asked)) == (Unavailable, "unavailable", 3)
    assert 0.1 <= waits[0] <= 0.25 and 0.25 <= waits[1] <= 0.5


@every_vendor
def test_overloaded_once_it_is_asked_again(server: ModelServer, vendor: Vendor) -> None:
    server.script.append(errors_of(vendor)["overloaded"])
    assert vendor.ask(server.url) == GOOD[vendor.role]


@every_vendor
def test_a_server_that_says_not_to_is_not_asked_again(server: ModelServer, vendor: Vendor) -> None:
    reply = errors_of(vendor)["overloaded"]
    server.script.append(Reply(reply.status, reply.body, {**reply.headers, "x-should-retry": "false"}))
    assert (type(fail(vendor, server)), len(server.asked)) == (Unavailable, 1)


@every_vendor
def test_a_wrong_key_is_our_setting(server: ModelServer, vendor: Vendor) -> None:
    server.script.append(errors_of(vendor)["key"])
    assert (type(fail(vendor, server)), len(server.asked)) == (Misconfigured, 1)


KEYED: dict[str, tuple[str, Callable[..., Any]]] = {
    "anthropic": ("writer", AnthropicMessages),
    "openai": ("writer", OpenAICompletions),
    "openai embeddings": ("embedder", OpenAIEmbeddings),
    "voyage": ("embedder", partial(VoyageEmbeddings, dimensions=2)),
    "voyage multimodal": ("embedder", partial(VoyageMultimodal, dimensions=2)),
    "cohere": ("reranker", HttpRerank),
}


@pytest.mark.parametrize("name", KEYED)
def test_who_holds_the_key_is_told_that_it_is_refused(server: ModelServer, name: str) -> None:
    told = list[str]()
    role, make = KEYED[name]
    client = make(base_url=server.url, api_key=KEY, model="m", on_key_refused=lambda: told.append(name))
    server.script.extend([Reply(403, {}), Reply(401, {})])
    for expected in ([], [name]):
        with pytest.raises(Misconfigured):
            ask(role, providers(client))
        assert told == expected


@every_vendor
def test_a_request_it_does_not_take_is_not_sent_again(server: ModelServer, vendor: Vendor) -> None:
    server.script.append(errors_of(vendor)["request"])
    error = fail(vendor, server)
    if vendor.role == "writer":  # a chat's user cannot help it
        assert (type(error), error.code) == (Unavailable, "model_rejected")
    else:
        assert isinstance(error, InvalidInput)
    assert len(server.asked) == 1


@every_vendor
@pytest.mark.parametrize("mood", [Hang(), Drip()], ids=["hangs", "drips"])
def test_one_deadline_bounds_it_all(server: ModelServer, vendor: Vendor, mood: Any) -> None:
    server.script.append(mood)
    start = time.monotonic()
    assert fail(vendor, server, timeout_s=0.4).code == "provider_timeout"
    assert time.monotonic() - start < 10  # 60 s were it waited for
    assert len(server.asked) == 1


@every_vendor
def test_an_answer_that_breaks_off_is_asked_for_again(server: ModelServer, vendor: Vendor) -> None:
    server.script.extend([Reply(200, b'{"id": "x", ', announced=500)] * 3)
    assert (fail(vendor, server).code, len(server.asked)) == ("broken_answer", 3)
    server.script.append(Reply(200, b'{"id": "x", ', announced=500))
    assert vendor.ask(server.url) == GOOD[vendor.role]


@every_vendor
@pytest.mark.parametrize("body", [b"<html>", b"", b'{"id": ', b"[" * 200_000])
def test_what_is_not_json_is_a_broken_answer(server: ModelServer, vendor: Vendor, body: bytes) -> None:
    server.script.extend([Reply(200, body)] * 3)
    assert (fail(vendor, server).code, len(server.asked)) == ("broken_answer", 3)


@every_vendor
@pytest.mark.parametrize("body", [{}, [], None, 7, "no", {"choices": []}, {"data": [None]}, {"results": 1}])
def test_json_of_another_form_is_no_answer(server: ModelServer, vendor: Vendor, body: Any) -> None:
    server.script.append(Reply(200, body))
    assert (fail(vendor, server).code, len(server.asked)) == ("unusable_answer", 1)


@every_vendor
def test_an_answer_without_end_is_no_answer(server: ModelServer, vendor: Vendor) -> None:
    server.script.append(Reply(200, b" " * 1000, announced=10**12))
    assert fail(vendor, server).code == "unusable_answer"


@every_vendor
def test_a_server_that_is_not_there_is_unavailable(server: ModelServer, vendor: Vendor) -> None:
    gone = ModelServer(url="http://127.0.0.1:1")
    assert "cannot be reached" in str(fail(vendor, gone))
