"""Records what the official SDKs send and understand: `python -m tests.models.record_sdks` writes sdk_requests.json.

It needs a Python in which anthropic, openai, voyageai and cohere are installed; the project itself does not. They are
asked what the app asks, at the server of the tests. What that server answers must be valid by their own types.
boto3 is there in development: test_sdks.py asks it live.
"""

import json
import sys
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chalicelib.model.prompts import ANALYSIS, ANALYZING_IMAGE
from tests.support.model_server import ModelServer, model_server

RECORDED = Path(__file__).with_name("sdk_requests.json")
KEY, JPEG, TEXTS = "sk-of-the-recorder", b"jpeg of the recorder", ["red apples", "green pears"]
PICTURE = Path(__file__).with_name("dot.jpg").read_bytes()
DESCRIBED = {"category": "c", "summary": "s", "labels": ["l"], "text_in_image": "", "language": ""}
HEADERS = ("authorization", "x-api-key", "anthropic-version", "anthropic-beta", "content-type")


def ask_anthropic(server: ModelServer) -> Any:
    import anthropic

    client = anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0)
    source = {"type": "base64", "media_type": "image/jpeg", "data": b64encode(JPEG).decode()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": '{"name": "a.jpg"}'}]
    message = client.messages.create(
        model="claude-haiku-5-5",
        max_tokens=4096,
        system=ANALYZING_IMAGE,
        messages=[{"role": "user", "content": content}],
        output_config={"format": {"type": "json_schema", "schema": ANALYSIS}},
        thinking={"type": "disabled"},
    )
    anthropic.types.Message.model_validate(message.model_dump(), strict=True)
    usage = message.usage
    counts = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    return [json.loads(message.content[0].text), [*counts, usage.output_tokens], message.stop_reason]


def ask_openai(server: ModelServer) -> Any:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0)
    url = f"data:image/jpeg;base64,{b64encode(JPEG).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    completion = client.chat.completions.create(
        model="gpt-of-the-tests",
        messages=[
            {"role": "system", "content": ANALYZING_IMAGE},
            {"role": "user", "content": [picture, {"type": "text", "text": '{"name": "a.jpg"}'}]},
        ],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "analysis", "strict": True, "schema": ANALYSIS},
        },
        max_tokens=4096,
    )
    openai.types.chat.ChatCompletion.model_validate(completion.model_dump(), strict=True)
    usage = completion.usage
    cached = usage.prompt_tokens_details.cached_tokens
    written = usage.prompt_tokens_details.cache_write_tokens
    counts = (usage.prompt_tokens - cached - written, cached, written, usage.completion_tokens)
    return [json.loads(completion.choices[0].message.content), [*counts], completion.choices[0].finish_reason]


def embed_openai(server: ModelServer) -> Any:
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0)
    found = client.embeddings.create(model="text-embedding-3-small", input=TEXTS)
    openai.types.CreateEmbeddingResponse.model_validate(found.model_dump(), strict=True)
    rows = sorted(found.data, key=lambda row: row.index)
    return [[list(row.embedding) for row in rows], found.usage.prompt_tokens]


def embed_voyage(server: ModelServer) -> Any:
    import voyageai

    client = voyageai.Client(api_key=KEY, base_url=f"{server.url}/v1")
    found = client.embed(TEXTS, model="voyage-4", input_type="document", output_dimension=2)
    return [[list(map(float, vector)) for vector in found.embeddings], found.total_tokens]


def embed_pictures_voyage(server: ModelServer) -> Any:
    import voyageai

    client = voyageai.Client(api_key=KEY, base_url=f"{server.url}/v1")
    url = f"data:image/jpeg;base64,{b64encode(PICTURE).decode()}"
    parts = [{"type": "text", "text": "A dot."}, {"type": "image_base64", "image_base64": url}]
    found = client.multimodal_embed(
        [{"content": parts}, {"content": [{"type": "text", "text": TEXTS[0]}]}],
        model="voyage-multimodal-3.5",
        input_type="document",
        output_dimension=2,
    )
    return [[list(map(float, vector)) for vector in found.embeddings], found.total_tokens]


def rerank_voyage(server: ModelServer) -> Any:
    import voyageai

    found = voyageai.Client(api_key=KEY, base_url=f"{server.url}/v1").rerank("q", TEXTS, model="rerank-2.5")
    return [{each.index: each.relevance_score for each in found.results}, found.total_tokens]


def rerank_cohere(server: ModelServer) -> Any:
    import cohere

    client = cohere.ClientV2(api_key=KEY, base_url=server.url)
    found = client.rerank(model="rerank-v3.5", query="q", documents=TEXTS)
    return [{each.index: each.relevance_score for each in found.results}, 0]


ASKING = {
    "anthropic": (ask_anthropic, "anthropic"),
    "openai": (ask_openai, "openai"),
    "openai embeddings": (embed_openai, "openai"),
    "voyage embeddings": (embed_voyage, "voyageai"),
    "voyage multimodal": (embed_pictures_voyage, "voyageai"),
    "voyage rerank": (rerank_voyage, "voyageai"),
    "cohere rerank": (rerank_cohere, "cohere"),
}


def main() -> None:
    recorded = {}
    for name, (ask, package) in ASKING.items():
        with model_server() as server:
            server.value = lambda asked: DESCRIBED
            understood = ask(server)
            (asked,) = server.asked
        headers = {header: asked.headers[header] for header in HEADERS if header in asked.headers}
        sent = {"path": asked.path, "headers": headers, "body": asked.body}
        recorded[name] = {"sdk": f"{package} {version(package)}", "sent": sent, "understood": understood}
    RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{RECORDED.name}: {', '.join(each['sdk'] for each in recorded.values())}", file=sys.stderr)


if __name__ == "__main__":
    main()
