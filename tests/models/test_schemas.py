"""The schemas that models are held to, and the mistakes that are found by them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.model import prompts
from chalicelib.model.schemas import find_mistake
from chalicelib.providers.models.writing import Prompt
from tests.models.making import WRITERS
from tests.support.model_server import (
    ModelServer,
)


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
