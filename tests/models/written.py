"""Requests to hosted models and their responses, in each provider's form."""

import io
from base64 import b64decode

import pytest
from PIL import Image

from chalicelib.providers import AnalysisRequest
from chalicelib.providers.models.analyzer import HostedAnalyzer
from tests.models.making import WRITERS, Vendor, providers
from tests.support.model_server import (
    Asked,
    ModelServer,
    anthropic_message,
    bedrock_message,
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
