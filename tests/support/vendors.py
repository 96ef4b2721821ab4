"""The app's settings for each vendor of models, and what a stand-in of the vendor answers."""

import hashlib
import json
import re
from typing import Any

from tests.support.model_server import Asked

DIMENSIONS, DIMENSIONS_OF_PICTURES = 256, 1024
TRUE = "The lighthouse keeper counts the ships every evening."
CAT = {
    "category": "photograph",
    "summary": "A cat sleeps on a garden wall.",
    "labels": ["cat", "wall"],
    "text_in_image": "KEEP OUT",
    "language": "en",
}
LETTER = {**CAT, "category": "letter", "summary": "About ships.", "labels": ["ships"], "text_in_image": ""}
SCHEMAS = {
    "analysis": lambda prompt: CAT if prompt["name"] == "cat.jpg" else LETTER,
    "page": lambda prompt: {"text": "A scanned page."},
    "question": lambda prompt: {"question": prompt["question"]},
    "verdicts": lambda prompt: {
        "verdicts": [{"sentence": each["number"], "verdict": "supported"} for each in prompt["sentences"]]
    },
    "answer": lambda prompt: {
        "sentences": [{"text": "The keeper counts the ships.", "citations": [{"passage": 1, "quote": TRUE}]}]
    },
}


def variables(vendor: str, url: str, key: str) -> dict[str, str]:
    if vendor == "anthropic and voyage":
        return {
            **{"ANTHROPIC_API_KEY": key, "ANALYZER_PROVIDER": "anthropic", "ANALYZER_URL": url},
            **{"CHAT_PROVIDER": "anthropic", "CHAT_URL": url, "CHAT_MODEL": ""},
            **{"VOYAGE_API_KEY": key, "EMBEDDING_PROVIDER": "voyage", "EMBEDDINGS_URL": f"{url}/v1"},
            **{"RERANK_PROVIDER": "voyage", "RERANK_URL": f"{url}/v1", "EMBEDDING_MODEL": ""},
        }
    if vendor == "openai and cohere":
        return {
            **{"OPENAI_API_KEY": key, "ANALYZER_PROVIDER": "openai", "ANALYZER_URL": f"{url}/v1"},
            **{"ANALYZER_MODEL": "gpt-4o", "CHAT_PROVIDER": "openai", "CHAT_URL": f"{url}/v1"},
            **{"CHAT_MODEL": "gpt-4o", "EMBEDDING_PROVIDER": "openai", "EMBEDDINGS_URL": f"{url}/v1"},
            **{"RERANK_PROVIDER": "cohere", "RERANK_URL": f"{url}/v2", "RERANK_MODEL": "rerank-v3.5"},
            **{"RERANK_API_KEY": key},
        }
    return {
        **{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url, "AWS_SECRET_ACCESS_KEY": key},
        **{"ANALYZER_PROVIDER": "bedrock", "ANALYZER_URL": "", "CHAT_PROVIDER": "bedrock"},
        **{"EMBEDDING_PROVIDER": "bedrock", "EMBEDDINGS_URL": "", "EMBEDDING_MODEL": ""},
        **{"RERANK_PROVIDER": "bedrock"},
    }


def title_of(asked: Asked) -> str:
    """The title of the schema that a request of any provider asks for; Bedrock's tool is called by it."""
    return re.findall(
        r'"(?:title|name)": "(analysis|page|question|answer|verdicts)"', json.dumps(asked.body)
    )[0]


def written(asked: Asked) -> Any:
    content = asked.body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return SCHEMAS[title_of(asked)](json.loads(text))


def bag_of_words(text: Any) -> list[float]:
    vector = [1e-3] * (DIMENSIONS_OF_PICTURES if isinstance(text, list) else DIMENSIONS)
    for word in re.findall(r"\w+", str(text).lower()):
        vector[hashlib.sha256(word.encode()).digest()[0]] += 1.0
    return vector
