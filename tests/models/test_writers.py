"""Models that write: what each is sent, letter by letter, what its answers become, and the one repair."""

import json
from typing import Any

import pytest

from chalicelib.errors import BadFile, CollectionsError, Misconfigured, ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.providers import Usage
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.bedrock_converse import BedrockConverse
from chalicelib.providers.models.chat import HostedChat
from chalicelib.providers.models.openai_completions import OPENAI_URL, OpenAICompletions
from tests.models.making import AWS, KEY, WRITERS, Vendor, ask, providers
from tests.models.written import MADE, VALUE, analyzer, every_writer, jpeg, system_sent, text_sent
from tests.support.model_server import (
    ModelServer,
    Reply,
    anthropic_message,
    bedrock_message,
    openai_completion,
)


def test_what_anthropic_is_sent(server: ModelServer) -> None:
    ask("writer", providers(AnthropicMessages(base_url=server.url, api_key=KEY, model="claude-haiku-5-5")))
    assert (server.asked[0].path, server.asked[0].body) == (
        "/v1/messages",
        {
            "model": "claude-haiku-5-5",
            "max_tokens": 99,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "Is it?"}],
            "output_config": {"format": {"type": "json_schema", "schema": prompts.QUESTION}},
            "thinking": {"type": "disabled"},
        },
    )


def test_a_model_that_may_think_gets_room_for_it(server: ModelServer) -> None:
    WRITERS[0].ask(server.url)
    assert server.asked[0].body["max_tokens"] == 99 + 8192
    assert "thinking" not in server.asked[0].body


def test_claude_5_on_bedrock_is_offered_the_tool_and_may_answer_in_text(server: ModelServer) -> None:
    text = {"message": {"role": "assistant", "content": [{"text": json.dumps(VALUE)}]}}
    server.script.append(Reply(body=bedrock_message(None, output=text, stopReason="end_turn")))
    writer = BedrockConverse(base_url=server.url, model="eu.anthropic.claude-sonnet-5-5", **AWS)
    assert ask("writer", providers(writer)) == VALUE
    assert server.asked[0].body["toolConfig"]["toolChoice"] == {"auto": {}}


def test_what_openai_is_sent(server: ModelServer) -> None:
    WRITERS[1].ask(server.url)
    assert (server.asked[0].path, server.asked[0].body) == (
        "/v1/chat/completions",
        {
            "model": "gpt-of-the-tests",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?"}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "question", "strict": True, "schema": prompts.QUESTION},
            },
            "max_tokens": 99,
        },
    )


def test_what_bedrock_is_sent(server: ModelServer) -> None:
    WRITERS[2].ask(server.url)
    schema = {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]}
    tool = {"name": "question", "description": "Give the answer.", "inputSchema": {"json": schema}}
    assert (server.asked[0].path, server.asked[0].body) == (
        "/model/eu.maker.model-v1:0/converse",
        {
            "messages": [{"role": "user", "content": [{"text": "Is it?"}]}],
            "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": 99},
            "toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": "question"}}},
        },
    )


def test_openai_itself_is_told_the_limit_by_its_new_name() -> None:
    limit = OpenAICompletions(base_url=OPENAI_URL, api_key=KEY, model="m")._limit(99)
    assert limit == {"max_completion_tokens": 99 + 8192}, "with room for reasoning"


def test_a_compatible_server_gets_no_key_unless_there_is_one(server: ModelServer) -> None:
    writer = OpenAICompletions(base_url=f"{server.url}/v1", api_key=None, model="llama")
    assert (
        HostedChat(providers(writer))
        .complete("", "", schema=prompts.QUESTION, max_tokens=9, timeout_s=9)
        .value
        == VALUE
    )
    assert "authorization" not in server.asked[0].headers


@every_writer
@pytest.mark.parametrize(
    "bad",
    [{"question": 7}, {"answer": "Is it so?"}, ["Is it so?"], {}],
    ids=["a number", "another member", "a list", "nothing"],
)
def test_what_does_not_fit_is_repaired_with_the_bad_output_alone(
    server: ModelServer, vendor: Vendor, bad: Any
) -> None:
    server.script.append(Reply(body=MADE[vendor.name](bad)))
    spent = list[Usage]()
    assert vendor.ask(server.url, spend=spent.append) == VALUE
    first, second = server.asked
    told = json.loads(text_sent(second))
    assert told.keys() == {"answer", "mistake", "schema"}
    assert (json.loads(told["answer"]), told["schema"]) == (bad, prompts.QUESTION)
    assert system_sent(second) == prompts.REPAIRING
    assert text_sent(first) not in json.dumps(second.body)
    assert len(spent) == 2, "the repair is charged"


@every_writer
def test_text_instead_of_json_is_repaired(server: ModelServer, vendor: Vendor) -> None:
    texts = {
        "anthropic": anthropic_message("Sure! Is it so?"),
        "openai": openai_completion("Sure! Is it so?"),
        "bedrock": bedrock_message(
            None, output={"message": {"role": "assistant", "content": [{"text": "Sure! Is it so?"}]}}
        ),
    }
    server.script.append(Reply(body=texts[vendor.name]))
    assert vendor.ask(server.url) == VALUE
    assert json.loads(text_sent(server.asked[1]))["answer"] == "Sure! Is it so?"


@every_writer
def test_it_is_repaired_once(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: {"question": None}
    with pytest.raises(Unavailable, match=r"answer\.question must be a string") as raised:
        vendor.ask(server.url)
    assert (raised.value.code, len(server.asked)) == ("model_unusable", 2)


REFUSALS = [
    (0, anthropic_message(VALUE, stop_reason="refusal", content=[])),
    (1, openai_completion(VALUE, message={"role": "assistant", "content": None, "refusal": "I cannot."})),
    (1, openai_completion(VALUE, finish_reason="content_filter")),
    (2, bedrock_message(VALUE, stopReason="content_filtered")),
    (2, bedrock_message(VALUE, stopReason="guardrail_intervened")),
]
CUT_OFF = [
    (0, anthropic_message(VALUE, stop_reason="max_tokens")),
    (0, anthropic_message(VALUE, stop_reason="model_context_window_exceeded")),
    (1, openai_completion(VALUE, finish_reason="length")),
    (2, bedrock_message(VALUE, stopReason="max_tokens")),
]


@pytest.mark.parametrize(("which", "body"), REFUSALS)
def test_a_refusal_is_final_and_charged(server: ModelServer, which: int, body: Any) -> None:
    server.script.extend([Reply(body=body)] * 2)
    spent = list[Usage]()
    with pytest.raises(ModelRefused):
        WRITERS[which].ask(server.url, spend=spent.append)
    assert (len(server.asked), len(spent)) == (1, 1)
    with pytest.raises(BadFile) as raised:
        analyzer(server, WRITERS[which]).read_page(jpeg(), timeout_s=9)
    assert raised.value.code == "analyzer_refused"


@pytest.mark.parametrize(("which", "body"), CUT_OFF)
def test_an_answer_that_is_too_long_is_not_asked_for_again(
    server: ModelServer, which: int, body: Any
) -> None:
    server.script.extend([Reply(body=body)] * 2)
    spent = list[Usage]()
    with pytest.raises(Unavailable) as cut:
        WRITERS[which].ask(server.url, spend=spent.append)
    assert (cut.value.code, len(server.asked), len(spent)) == ("model_cut_off", 1, 1)
    with pytest.raises(BadFile) as raised:
        analyzer(server, WRITERS[which]).read_page(jpeg(), timeout_s=9)
    assert raised.value.code == "analyzer_cut_off"


@pytest.mark.parametrize(
    "body",
    [
        anthropic_message(VALUE, content="Sure!"),
        anthropic_message(VALUE, usage={"output_tokens": float("inf")}),
        anthropic_message(VALUE, usage={"cache_read_input_tokens": "many"}),
        {"type": "error"},
    ],
)
def test_what_is_no_message(server: ModelServer, body: Any) -> None:
    server.script.append(Reply(body=body))
    with pytest.raises(CollectionsError) as raised:
        WRITERS[0].ask(server.url)
    assert raised.value.code == "unusable_answer"
    assert "many" not in str(raised.value)


@pytest.mark.parametrize(("said", "kept"), [(10**30, 10**9), (-5, 0), (None, 0), ("7", 7), (2.0, 2)])
def test_what_is_counted_can_be_kept(server: ModelServer, said: Any, kept: int) -> None:
    spent = list[Usage]()
    server.script.append(
        Reply(body=anthropic_message(VALUE, usage={"input_tokens": said, "output_tokens": said}))
    )
    WRITERS[0].ask(server.url, spend=spent.append)
    assert (spent[0].input_tokens, spent[0].output_tokens) == (kept, kept)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\u2019"])
def test_a_key_that_fits_no_header_is_said_to_be_wrong_without_being_said(key: str) -> None:
    for writer in (OpenAICompletions, AnthropicMessages):
        with pytest.raises(Misconfigured, match="has a key with characters") as raised:
            writer(base_url="http://127.0.0.1:1", api_key=key, model="m")
        assert KEY not in str(raised.value)
