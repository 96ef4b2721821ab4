"""Models that write: what each is sent, letter by letter, what its answers become, and the one repair."""

import io
import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from chalicelib.errors import BadFile, CollectionsError, Misconfigured, ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.model.schemas import find_mistake
from chalicelib.providers import Analysis, AnalysisRequest, Usage
from chalicelib.providers.models.analyzer import HostedAnalyzer
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.bedrock_converse import BedrockConverse
from chalicelib.providers.models.chat import HostedChat
from chalicelib.providers.models.openai_completions import OPENAI_URL, OpenAICompletions
from chalicelib.providers.models.writing import Prompt
from tests.models.making import AWS, KEY, WRITERS, Vendor, ask, providers
from tests.support.model_server import (
    Asked,
    ModelServer,
    Reply,
    anthropic_message,
    bedrock_message,
    model_server,
    openai_completion,
)

VALUE = {"question": "Is it so?"}
ANALYSIS = {
    "category": "photograph",
    "summary": "A cat on a wall.",
    "labels": ["cat", "wall"],
    "text_in_image": "",
    "language": "",
}
every_writer = pytest.mark.parametrize("vendor", WRITERS, ids=lambda each: each.name)
MADE = {"anthropic": anthropic_message, "openai": openai_completion, "bedrock": bedrock_message}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value = lambda asked: VALUE
        yield server


def analyzer(server: ModelServer, vendor: Vendor) -> HostedAnalyzer:
    return HostedAnalyzer(providers(vendor.make(server.url)))


def jpeg(width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 40).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def image(picture: bytes, name: str = "cat.jpg") -> AnalysisRequest:
    return AnalysisRequest(kind="image", name=name, media_type="image/jpeg", preview_jpeg=picture, text="")


def picture_sent(asked: Asked) -> bytes | None:
    """The picture in a request of any provider; it comes before the text."""
    content = asked.body["messages"][-1]["content"]
    if isinstance(content, str) or len(content) == 1:
        return None
    first = content[0]
    if "image_url" in first:
        assert first["image_url"]["detail"] == "high"
        return b64decode(first["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
    source = first["source"] if "source" in first else first["image"]["source"]
    return b64decode(source.get("data") or source["bytes"])


def text_sent(asked: Asked) -> str:
    content = asked.body["messages"][-1]["content"]
    text: str = content if isinstance(content, str) else content[-1]["text"]
    return text


def system_sent(asked: Asked) -> str:
    given = asked.body.get("system") or asked.body["messages"][0]["content"]
    text: str = given if isinstance(given, str) else given[0]["text"]
    return text


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


@every_writer
def test_an_image_is_described(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    small = jpeg()
    analysis = analyzer(server, vendor).analyze(image(small), timeout_s=9)
    assert analysis == Analysis(
        category="photograph",
        summary="A cat on a wall.",
        labels=("cat", "wall"),
        text_in_image="",
        language=None,
        provider=vendor.name,
        model=vendor.make(server.url).model,
    )
    (asked,) = server.asked
    assert (picture_sent(asked), text_sent(asked)) == (small, '{"name": "cat.jpg"}')
    assert system_sent(asked) == prompts.ANALYZING_IMAGE


@every_writer
def test_a_picture_is_sent_in_the_size_the_model_looks_at(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    analyzer(server, vendor).analyze(image(jpeg(2000, 2500)), timeout_s=9)
    writer = vendor.make(server.url)
    width, height = Image.open(io.BytesIO(picture_sent(server.asked[0]) or b"")).size
    assert max(width, height) <= writer.max_px and width * height <= writer.max_pixels
    assert width / height == pytest.approx(0.8, abs=0.01)
    assert max(width, height) > 0.9 * writer.max_px or width * height > 0.98 * writer.max_pixels


@every_writer
def test_what_a_repair_of_an_image_sends_is_no_image(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    server.script.append(Reply(body=MADE[vendor.name]({**ANALYSIS, "labels": "cat"})))
    assert analyzer(server, vendor).analyze(image(jpeg()), timeout_s=9).labels == ("cat", "wall")
    assert picture_sent(server.asked[1]) is None


@every_writer
def test_a_document_is_described_by_its_text(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    for text in ("The harbour office is open. " * 30, "Scan"):
        request = AnalysisRequest(
            kind="pdf", name="a.pdf", media_type="application/pdf", preview_jpeg=jpeg(), text=text
        )
        analyzer(server, vendor).analyze(request, timeout_s=9)
    long, short = server.asked
    assert (picture_sent(long), picture_sent(short) is not None) == (None, True)
    assert json.loads(text_sent(long)) == {"name": "a.pdf", "text": "The harbour office is open. " * 30}
    assert system_sent(long) == system_sent(short) == prompts.ANALYZING_DOCUMENT


@every_writer
def test_a_page_is_read(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: {"text": "\0 One line.\nAnother. \n"}
    assert analyzer(server, vendor).read_page(jpeg(), timeout_s=9) == "One line.\nAnother."
    assert system_sent(server.asked[0]) == prompts.READING_PAGE
    server.value = lambda asked: {"text": "x" * 200_000}
    assert len(analyzer(server, vendor).read_page(jpeg(), timeout_s=9)) == 100_000


def test_a_preview_that_is_no_picture_is_a_bad_file(server: ModelServer) -> None:
    with pytest.raises(BadFile):
        analyzer(server, WRITERS[0]).read_page(b"no picture", timeout_s=9)
    assert server.asked == []


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\u2019"])
def test_a_key_that_fits_no_header_is_said_to_be_wrong_without_being_said(key: str) -> None:
    for writer in (OpenAICompletions, AnthropicMessages):
        with pytest.raises(Misconfigured, match="has a key with characters") as raised:
            writer(base_url="http://127.0.0.1:1", api_key=key, model="m")
        assert KEY not in str(raised.value)


def objects(schema: Any) -> Iterator[Any]:
    """Every object's schema within a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)


@pytest.mark.parametrize("schema", [prompts.ANSWER, prompts.QUESTION, prompts.ANALYSIS, prompts.PAGE])
def test_a_schema_is_one_that_a_model_can_be_held_to(schema: Any) -> None:
    """OpenAI's strict mode wants all members required and no others."""
    for each in objects(schema):
        assert (each["additionalProperties"], sorted(each["properties"])) == (False, sorted(each["required"]))


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ({"sentences": []}, None),
        ({"sentences": [{"text": "a", "citations": [{"passage": 1, "quote": "b"}]}], "more": 1}, None),
        ({"sentences": [{"text": "a", "citations": [{"passage": True, "quote": "b"}]}]},
         "answer.sentences[0].citations[0].passage must be an integer"),
        ({"sentences": [{"text": "a"}]}, "answer.sentences[0].citations is missing"),
        ({"sentences": {}}, "answer.sentences must be an array"),
        ([], "answer must be an object"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(value: Any, mistake: str | None) -> None:
    assert find_mistake(value, prompts.ANSWER) == mistake


def test_bedrock_gets_nothing_in_a_schema_that_nova_does_not_take(server: ModelServer) -> None:
    """Amazon documents: type, properties and required, at the top."""
    prompt = Prompt(system="", text="", schema=prompts.ANSWER, max_tokens=9)
    WRITERS[2].make(server.url).write(prompt, timeout_s=9, spend=None)
    tool = server.asked[0].body["toolConfig"]["tools"][0]["toolSpec"]
    sent, words = tool["inputSchema"]["json"], json.dumps(tool["inputSchema"])
    assert sent.keys() == {"type", "properties", "required"}
    assert "title" not in words and "additionalProperties" not in words
    assert sent["properties"]["sentences"]["items"]["required"] == ["text", "citations"]
