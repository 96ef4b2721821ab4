"""Our requests equal those of the official SDKs, and we parse what they parse (record_sdks.py, boto3)."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from chalicelib.model.prompts import ANALYSIS, ANALYZING_IMAGE
from chalicelib.providers import Pictured, Usage
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.bedrock_converse import BedrockConverse
from chalicelib.providers.models.bedrock_invoke import TitanEmbeddings
from chalicelib.providers.models.embeddings_openai import OpenAIEmbeddings
from chalicelib.providers.models.openai_completions import OpenAICompletions
from chalicelib.providers.models.rerankers import HttpRerank
from chalicelib.providers.models.voyage import VoyageEmbeddings, VoyageMultimodal
from chalicelib.providers.models.writing import Prompt
from tests.models.making import AWS, AWS_SECRET
from tests.models.record_sdks import DESCRIBED, JPEG, KEY, PICTURE, RECORDED, TEXTS
from tests.support.model_server import Asked, ModelServer, model_server

SDKS: dict[str, Any] = json.loads(RECORDED.read_text())
PROMPT = Prompt(system=ANALYZING_IMAGE, text='{"name": "a.jpg"}', schema=ANALYSIS, max_tokens=4096, jpeg=JPEG)
# Sent by an SDK with the value that the service takes when it is left out.
DEFAULTS = {"output_dtype": None, "top_k": None, "truncation": True}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value = lambda asked: DESCRIBED
        yield server


def same_as(name: str, asked: Asked) -> None:
    sent = SDKS[name]["sent"]
    assert asked.path == sent["path"]
    left_out = {key: value for key, value in sent["body"].items() if key not in asked.body}
    assert asked.body == {key: value for key, value in sent["body"].items() if key not in left_out}
    assert left_out.items() <= DEFAULTS.items()
    # Anthropic's documentation has x-api-key, its SDK the same key as a bearer's.
    authorized = {"authorization", "x-api-key"}
    headers = {key: value for key, value in sent["headers"].items() if key not in authorized}
    assert headers.items() <= asked.headers.items()
    assert KEY in (asked.headers.get("authorization", "") + asked.headers.get("x-api-key", ""))


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_writer_asks_and_understands_as_its_sdk(server: ModelServer, name: str) -> None:
    writer = {
        "anthropic": AnthropicMessages(base_url=server.url, api_key=KEY, model="claude-haiku-5-5"),
        "openai": OpenAICompletions(base_url=f"{server.url}/v1", api_key=KEY, model="gpt-of-the-tests"),
    }[name]
    spent = list[Usage]()
    value = json.loads(writer.write(PROMPT, timeout_s=9, spend=spent.append))
    same_as(name, server.asked[0])
    used = spent[0]
    counts = [used.input_tokens, used.cached_tokens, used.cache_write_tokens, used.output_tokens]
    assert [value, counts] == SDKS[name]["understood"][:2]


@pytest.mark.parametrize("name", ["openai embeddings", "voyage embeddings"])
def test_an_embedder_asks_and_understands_as_its_sdk(server: ModelServer, name: str) -> None:
    url = f"{server.url}/v1"
    api = {
        "openai embeddings": OpenAIEmbeddings(base_url=url, api_key=KEY, model="text-embedding-3-small"),
        "voyage embeddings": VoyageEmbeddings(base_url=url, api_key=KEY, model="voyage-4", dimensions=2),
    }[name]
    spent = list[Usage]()
    vectors = api.fetch(TEXTS, purpose="document", timeout_s=9, spend=spent.append)
    same_as(name, server.asked[0])
    assert [[list(vector) for vector in vectors], spent[0].input_tokens] == SDKS[name]["understood"]


def test_pictures_are_embedded_as_the_sdk_does_it(server: ModelServer) -> None:
    api = VoyageMultimodal(
        base_url=f"{server.url}/v1", api_key=KEY, model="voyage-multimodal-3.5", dimensions=2
    )
    inputs = [Pictured(text="A dot.", jpeg=PICTURE), TEXTS[0]]
    spent = list[Usage]()
    vectors = api.fetch(inputs, purpose="document", timeout_s=9, spend=spent.append)
    same_as("voyage multimodal", server.asked[0])
    total = spent[0].input_tokens + spent[0].pixels // 560  # Voyage's total has a token for every 560 pixels
    assert [[list(vector) for vector in vectors], total] == SDKS["voyage multimodal"]["understood"]


@pytest.mark.parametrize("name", ["voyage rerank", "cohere rerank"])
def test_a_reranker_asks_and_understands_as_its_sdk(server: ModelServer, name: str) -> None:
    api = {
        "voyage rerank": HttpRerank(base_url=f"{server.url}/v1", api_key=KEY, model="rerank-2.5"),
        "cohere rerank": HttpRerank(base_url=f"{server.url}/v2", api_key=KEY, model="rerank-v3.5"),
    }[name]
    spent = list[Usage]()
    scores = api.fetch("q", TEXTS, timeout_s=9, spend=spent.append)
    same_as(name, server.asked[0])
    understood = {str(place): score for place, score in enumerate(scores)}
    assert [understood, spent[0].input_tokens] == SDKS[name]["understood"]


def boto3_client(server: ModelServer) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDOFTHETESTS",
        aws_secret_access_key=AWS_SECRET,
        aws_session_token="session-token-of-the-tests",
        config=Config(retries={"total_max_attempts": 1}),
    )


def is_signed(server: ModelServer, asked: Asked, raw_path: str) -> bool:
    """Sign the request that arrived once more: with the same key, at the same moment, over what was signed."""
    request = AWSRequest(
        method="POST",
        url=server.url + raw_path,
        data=json.dumps(asked.body).encode(),
        headers={"Content-Type": asked.headers["content-type"]},
    )
    auth = SigV4Auth(
        Credentials("AKIDOFTHETESTS", AWS_SECRET, "session-token-of-the-tests"), "bedrock", "eu-west-1"
    )
    request.context["timestamp"] = asked.headers["x-amz-date"]
    request.headers["X-Amz-Date"] = asked.headers["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = asked.headers["x-amz-security-token"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return asked.headers["authorization"].endswith(f"Signature={signature}")


def test_bedrock_is_asked_as_boto3_asks_it(server: ModelServer) -> None:
    spent = list[Usage]()
    writer = BedrockConverse(base_url=server.url, model="eu.amazon.nova-2-lite-v1:0", **AWS)
    value = json.loads(writer.write(PROMPT, timeout_s=9, spend=spent.append))
    properties = {name: dict(each) for name, each in ANALYSIS["properties"].items()}
    schema = {"type": "object", "properties": properties, "required": ANALYSIS["required"]}
    tool = {"name": "analysis", "description": "Give the answer.", "inputSchema": {"json": schema}}
    answer = boto3_client(server).converse(
        modelId="eu.amazon.nova-2-lite-v1:0",
        messages=[
            {
                "role": "user",
                "content": [
                    {"image": {"format": "jpeg", "source": {"bytes": JPEG}}},
                    {"text": '{"name": "a.jpg"}'},
                ],
            }
        ],
        system=[{"text": ANALYZING_IMAGE}],
        inferenceConfig={"maxTokens": 4096},
        toolConfig={"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": "analysis"}}},
    )
    ours, theirs = server.asked
    assert (ours.path, ours.body) == (theirs.path, theirs.body)
    assert ours.body["messages"][0]["content"][0]["image"]["source"]["bytes"] == b64encode(JPEG).decode()
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    scope = [each.headers["authorization"].partition(", ")[0].split("/")[2:] for each in (ours, theirs)]
    assert scope[0] == scope[1] == ["eu-west-1", "bedrock", "aws4_request"]
    assert is_signed(server, ours, "/model/eu.amazon.nova-2-lite-v1%3A0/converse")
    assert value == answer["output"]["message"]["content"][0]["toolUse"]["input"]
    usage = answer["usage"]
    assert (spent[0].input_tokens, spent[0].output_tokens) == (usage["inputTokens"], usage["outputTokens"])
    assert spent[0].cached_tokens == usage["cacheReadInputTokens"]


def test_a_model_is_invoked_as_boto3_invokes_it(server: ModelServer) -> None:
    model = "amazon.titan-embed-text-v2:0"
    api = TitanEmbeddings(base_url=server.url, model=model, dimensions=2, **AWS)
    vectors = api.fetch(["a text"], purpose="query", timeout_s=9, spend=None)
    body = json.dumps({"inputText": "a text", "dimensions": 2, "normalize": True})
    answer = boto3_client(server).invoke_model(modelId=model, body=body)
    ours, theirs = server.asked
    assert (ours.path, ours.body) == (theirs.path, theirs.body)
    assert list(vectors[0]) == json.loads(answer["body"].read())["embedding"]
    assert is_signed(server, ours, "/model/amazon.titan-embed-text-v2%3A0/invoke")
